import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type postgres from "postgres";

import { limits } from "#kernel/limits.ts";
import { createGroupCommit } from "#store/group-commit.ts";
import { readStream } from "#store/events.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, freshDatabase, type TestDatabase } from "#test/database.ts";
import { appendTo } from "#test/support/appends.ts";
import { logFaults } from "#test/support/log-faults.ts";
import { allViews, ensureViews, startLoop } from "#test/support/loops.ts";
import { openProxy, type Proxy } from "#test/support/proxy.ts";
import { openSql, openTestPool } from "#test/support/pools.ts";
import { until } from "#test/until.ts";

let database: TestDatabase;
let proxy: Proxy;
let pool: Pool;
let sql: postgres.Sql;
beforeAll(async () => {
  database = await freshDatabase();
  proxy = await openProxy(database.url);
  pool = openTestPool(proxy.url);
  sql = openSql(database.url);
  await ensureViews(pool, allViews);
});
afterEach(async () => {
  expect(await logFaults(sql)).toEqual([]);
  await assertNothingLeftOpen(database.url);
});
afterAll(async () => {
  await pool.close(1_000);
  await proxy.close();
  await sql.end({ timeout: 1 });
  await database.drop();
});

const goAway = (): void => {
  proxy.refuse();
  proxy.cutAll();
};

const range = (aggregateId: string) => ({
  aggregateType: "Thing",
  aggregateId,
  fromVersion: 1,
  toVersion: 9,
  limit: 9,
});

const versionsOf = async (stream: string) =>
  (await readStream(pool, range(stream))).map(({ version }) => version);

describe("a database that is gone", () => {
  test("append is refused when the database is gone, and made when it is back", async () => {
    const groupCommit = createGroupCommit(pool);
    await groupCommit.append(appendTo("refused", 0));
    goAway();
    await until("the connections are lost", () =>
      versionsOf("refused").then(
        () => false,
        () => true,
      ),
    );
    const startMs = performance.now();
    const code = await groupCommit.append(appendTo("refused", 1)).then(
      () => "appended",
      (error: { code: string; retryable: boolean }) => [error.code, error.retryable],
    );
    expect([code, performance.now() - startMs < 1_000]).toEqual([
      ["database-unavailable", true],
      true,
    ]);
    await proxy.accept();
    expect(await groupCommit.append(appendTo("refused", 1))).toMatchObject({ version: 2 });
    expect(await versionsOf("refused")).toEqual([1, 2]);
    await groupCommit.drain();
  });

  test("append waits for its outcome when the database goes with the reply", async () => {
    const groupCommit = createGroupCommit(pool);
    await groupCommit.append(appendTo("waiting", 0));
    const seen = Promise.withResolvers<void>();
    proxy.rule({
      toClient: () => {
        seen.resolve();
        return "cut";
      },
    });
    const outcome = groupCommit.append(appendTo("waiting", 1));
    await seen.promise;
    goAway();
    const missed = proxy.connections();
    proxy.resume();
    await proxy.accept();
    expect(await outcome).toMatchObject({ outcome: "already", version: 2 });
    expect(proxy.connections()).toBeGreaterThan(missed);
    expect(await versionsOf("waiting")).toEqual([1, 2]);
    await groupCommit.drain();
  });

  test("loop says that it cannot read, and goes on when the database is back", async () => {
    const groupCommit = createGroupCommit(pool);
    const loop = startLoop({ pool, views: allViews });
    const all = (state: string) => () =>
      loop.report().filter((each) => each.state === state).length === allViews.length;
    await until("the views are live", all("live"));
    goAway();
    await until("the views are in error", all("error"));
    expect(new Set(loop.report().map(({ lastError }) => lastError))).toEqual(
      new Set(["database-unavailable"]),
    );
    await proxy.accept();
    const { position } = await until("an append succeeds", () =>
      groupCommit.append(appendTo("after", 0)).then(
        (outcome) =>
          outcome.outcome === "appended" || outcome.outcome === "already" ? outcome : false,
        () => false as const,
      ),
    );
    const deadlineMs = 2 * limits.backoffMsMax;
    await until("the views are live again", all("live"), deadlineMs);
    await until("the views reach it", async () => {
      const rows = await sql`select from varve.checkpoints where position < ${position}`;
      return rows.length === 0;
    });
    expect(loop.report().map(({ lastError }) => lastError)).toEqual(allViews.map(() => null));
    await loop.stop();
    await groupCommit.drain();
  });

  test("loop drains at once when the database is gone", async () => {
    const loop = startLoop({ pool, views: allViews });
    await until("the views are held", () => loop.report().length === allViews.length);
    goAway();
    const startMs = performance.now();
    await loop.stop();
    expect(performance.now() - startMs).toBeLessThan(2_000);
    await proxy.accept();
  });
});
