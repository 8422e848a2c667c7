import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import type postgres from "postgres";

import { createGroupCommit } from "#store/group-commit.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, freshDatabase, type TestDatabase } from "#test/database.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { logFaults } from "#test/support/log-faults.ts";
import { cutAnswers, cutRequest } from "#test/support/lost-replies.ts";
import { openProxy, type Proxy } from "#test/support/proxy.ts";
import { openSql, openTestPool } from "#test/support/pools.ts";

let database: TestDatabase;
let proxy: Proxy;
let pool: Pool;
let sql: postgres.Sql;
beforeAll(async () => {
  database = await freshDatabase();
  proxy = await openProxy(database.url);
  // Without named statements each call carries its text, by which the proxy knows it.
  pool = openTestPool(proxy.url, { prepare: false });
  sql = openSql(database.url);
});
afterEach(async () => {
  proxy.resume();
  expect(await logFaults(sql)).toEqual([]);
  await assertNothingLeftOpen(database.url);
});
afterAll(async () => {
  await pool.close(1_000);
  await proxy.close();
  await sql.end({ timeout: 1 });
  await database.drop();
});

const eventsOf = async (stream: string): Promise<number> => {
  const [row] = await sql<{ events: number }[]>`
    select count(*)::int as events from varve.events where aggregate_id like ${stream}`;
  return row?.events ?? 0;
};

test("append has the first outcome, and one event, when its reply is lost", async () => {
  const groupCommit = createGroupCommit(pool);
  const cuts = cutAnswers(proxy, 1);
  const outcome = await groupCommit.append(appendTo("lost", 0));
  expect([cuts(), await eventsOf("lost")]).toEqual([1, 1]);
  const [row] = await sql<{ position: number }[]>`
    select position::int from varve.events where aggregate_id = 'lost'`;
  expect(outcome).toMatchObject({ outcome: "already", version: 1, position: row?.position });
  await groupCommit.drain();
});

test("append has the first outcome when three replies are lost in a row", async () => {
  const groupCommit = createGroupCommit(pool);
  const cuts = cutAnswers(proxy, 3);
  const outcome = await groupCommit.append(appendTo("thrice", null, 2));
  expect([cuts(), await eventsOf("thrice")]).toEqual([3, 2]);
  expect(outcome).toMatchObject({ outcome: "already", version: 2 });
  await groupCommit.drain();
});

test("each of fifty appends has its own outcome when their common reply is lost", async () => {
  await appendAll(pool, appendTo("batch-0", 0));
  const groupCommit = createGroupCommit(pool);
  const cuts = cutAnswers(proxy, 1);
  const outcomes = await Promise.all(
    Array.from({ length: 50 }, (_, n) => groupCommit.append(appendTo(`batch-${n}`, 0))),
  );
  const kinds: unknown[] = outcomes.map((outcome) =>
    outcome.outcome === "replayed" ? ["replayed"] : [outcome.outcome, outcome.version],
  );
  const [stale, ...others] = kinds;
  expect([cuts(), stale]).toEqual([1, ["conflict", 1]]);
  expect(others).toEqual(others.map(() => ["already", 1]));
  expect(await eventsOf("batch-%")).toBe(50);
  await groupCommit.drain();
});

test("append is made once when the connection drops before the server has it", async () => {
  const groupCommit = createGroupCommit(pool);
  const cuts = cutRequest(proxy);
  const outcome = await groupCommit.append(appendTo("unsent", 0));
  expect([cuts(), outcome.outcome, await eventsOf("unsent")]).toEqual([1, "appended", 1]);
  await groupCommit.drain();
});
