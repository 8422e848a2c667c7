import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type postgres from "postgres";

import { createHealth } from "#query/health.ts";
import { limits } from "#kernel/limits.ts";
import { readAfter } from "#store/events.ts";
import type { Pool } from "#store/pool.ts";
import { queries } from "#store/statements.ts";
import { assertNothingLeftOpen, freshDatabase, type TestDatabase } from "#test/database.ts";
import { openProxy, type Proxy } from "#test/support/proxy.ts";
import { openSql, openTestPool } from "#test/support/pools.ts";
import { until } from "#test/until.ts";

let database: TestDatabase;
let proxy: Proxy;
let sql: postgres.Sql;
let pools: Pool[] = [];
beforeAll(async () => {
  database = await freshDatabase();
  proxy = await openProxy(database.url);
  sql = openSql(database.url);
});
afterEach(async () => {
  proxy.resume();
  await Promise.all(pools.map((pool) => pool.close(500)));
  pools = [];
});
afterAll(async () => {
  await proxy.close();
  await assertNothingLeftOpen(database.url);
  await sql.end({ timeout: 1 });
  await database.drop();
});

const SIZE = 3;
const DEADLINE_MS = 300;
/** The driver is asked to cancel before a connection is given up; the rest is this machine. */
const SLACK_MS = 1_500;

function open(changed: Parameters<typeof openTestPool>[1] = {}): Pool {
  const pool = openTestPool(proxy.url, { size: SIZE, acquireTimeoutMs: 400, ...changed });
  pools.push(pool);
  return pool;
}

const blackHole = () => proxy.rule({ toServer: () => "hold", toClient: () => "hold" });

/** The code of a call with that deadline, and whether it came in time. */
async function end(call: Promise<unknown>, deadlineMs = DEADLINE_MS) {
  const startMs = performance.now();
  const code = await call.then(
    () => "answered",
    (error: Error & { code?: string }) => error.code ?? error.message,
  );
  return [code, performance.now() - startMs < deadlineMs + SLACK_MS];
}

const ask = (pool: Pool) => pool.query(queries.readAfter, [0, 1], DEADLINE_MS);

const answered = (pool: Pool) =>
  until("the pool answers", () =>
    ask(pool).then(
      () => true,
      () => false,
    ),
  );

describe("a database that never answers", () => {
  test("call ends by its deadline when open connections fall silent", async () => {
    const pool = open();
    await Promise.all([ask(pool), ask(pool), ask(pool)]);
    blackHole();
    const ends = await Promise.all([1, 2, 3].map(() => end(ask(pool))));
    expect(ends).toEqual([1, 2, 3].map(() => ["database-timeout", true]));
  });

  test("call ends by its deadline when the server lets it in and says nothing", async () => {
    blackHole();
    expect(await end(ask(open()))).toEqual(["database-timeout", true]);
  });

  test("reply may have been lost when the call was sent, and not when it never was", async () => {
    const [sent, unsent] = [open(), open()];
    await ask(sent);
    blackHole();
    const errors = [];
    for (const pool of [sent, unsent]) {
      errors.push(
        await ask(pool).catch((error: { context: unknown; retryable: boolean }) => [
          error.retryable,
          error.context,
        ]),
      );
    }
    expect(errors).toEqual([
      [true, { statement: "read_after", replyLost: true }],
      [true, { statement: "read_after", replyLost: false }],
    ]);
  });

  test("call ends within the time for a place when all places are taken", async () => {
    const pool = open({ size: 1 });
    await ask(pool);
    blackHole();
    const first = end(pool.query(queries.readAfter, [0, 1], 1_000), 1_000);
    const waiting = await Promise.all([1, 2, 3].map(() => end(ask(pool), 400)));
    expect(waiting).toEqual([1, 2, 3].map(() => ["database-timeout", true]));
    expect(await first).toEqual(["database-timeout", true]);
  });

  test("pool answers on every place when the proxy forwards again", async () => {
    const pool = open();
    await ask(pool);
    blackHole();
    await Promise.all(Array.from({ length: 10 }, () => end(ask(pool))));
    proxy.resume();
    await answered(pool);
    const again = await Promise.all(Array.from({ length: 20 }, () => end(readAfter(pool, 0, 1))));
    expect(again).toEqual(again.map(() => ["answered", true]));
    const [row] = await sql<{ sessions: number }[]>`
      select count(*)::int as sessions from pg_stat_activity
       where datname = current_database() and application_name = 'test' and state = 'idle'`;
    expect(row?.sessions ?? 0).toBeGreaterThanOrEqual(1);
  });

  test("process goes on when the request to cancel is refused as well", async () => {
    const pool = open();
    await Promise.all([ask(pool), ask(pool), ask(pool)]);
    blackHole();
    proxy.refuse();
    const ends = await Promise.all([1, 2, 3].map(() => end(ask(pool))));
    expect(ends).toEqual([1, 2, 3].map(() => ["database-timeout", true]));
    expect(await end(ask(pool))).toEqual(["database-unavailable", true]);
    await proxy.accept();
    proxy.resume();
    await answered(pool);
  });

  test("statement is stopped in the server when its call has run out of time", async () => {
    const pool = open();
    const sleeping = { name: "sleep", text: "select pg_sleep(9)" };
    expect(await end(pool.query(sleeping, [], DEADLINE_MS))).toEqual(["database-timeout", true]);
    await until("the server is idle", async () => {
      const rows = await sql`select from pg_stat_activity
        where datname = current_database() and state = 'active' and query like '%pg_sleep(9)%'
          and pid <> pg_backend_pid()`;
      return rows.length === 0;
    });
  });

  test("health answers within its limit when the database hangs", async () => {
    const worker = { state: "running", silentMs: 0, crashes: 0 } as const;
    const view = () => ({ startedAtMs: Date.now(), draining: false, worker });
    const health = createHealth(open(), view, Date.now);
    expect((await health.readiness()).ready).toBe(true);
    blackHole();
    const startMs = performance.now();
    const [report, readiness] = await Promise.all([health.report(), health.readiness()]);
    expect(performance.now() - startMs).toBeLessThan(limits.healthMs + 200);
    expect([report.status, report.database, readiness.ready, readiness.reason]).toEqual([
      "unhealthy",
      { reachable: false, error: "database-timeout" },
      false,
      "database-timeout",
    ]);
    proxy.resume();
    await until("health recovers", async () => (await health.readiness()).ready);
  });

  test("pool closes within its grace when the database hangs", async () => {
    const pool = open();
    await ask(pool);
    blackHole();
    const asked = end(ask(pool), 5_000);
    const startMs = performance.now();
    await pool.close(200);
    expect(performance.now() - startMs).toBeLessThan(200 + SLACK_MS);
    expect((await asked)[0]).not.toBe("answered");
    expect(await end(ask(pool))).toEqual(["shutting-down", true]);
  });
});
