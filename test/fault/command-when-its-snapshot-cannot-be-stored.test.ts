import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import type postgres from "postgres";

import { limits } from "#kernel/limits.ts";
import type { Keyring } from "#pii/keyring.ts";
import { createGroupCommit } from "#store/group-commit.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, freshDatabase, type TestDatabase } from "#test/database.ts";
import { add, countedUp } from "#test/support/counters.ts";
import { openTestKeyring } from "#test/support/keyrings.ts";
import { logFaults } from "#test/support/log-faults.ts";
import { openHandler } from "#test/support/orders.ts";
import { openSql, openTestPool } from "#test/support/pools.ts";
import { openProxy, type Proxy } from "#test/support/proxy.ts";
import { openTestStates, storedSnapshot } from "#test/support/states.ts";
import { until } from "#test/until.ts";

let database: TestDatabase;
let proxy: Proxy;
let pool: Pool;
let sql: postgres.Sql;
let keyring: Keyring;
beforeAll(async () => {
  database = await freshDatabase();
  proxy = await openProxy(database.url);
  // Without named statements each call carries its text, by which the proxy knows it.
  pool = openTestPool(proxy.url, { prepare: false });
  sql = openSql(database.url);
  keyring = await openTestKeyring(pool);
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

/** An instance that takes a snapshot before each answer. */
function instance(own: Pool = pool) {
  const groupCommit = createGroupCommit(pool);
  const states = openTestStates(own, { threshold: 1 });
  return { ...openHandler(pool, keyring, groupCommit, states), states };
}

/** Of the machine, beside what is waited for. */
const SLACK_MS = 1_500;

test("command is answered when the connection is cut while its snapshot is stored", async () => {
  const { handle, states } = instance();
  proxy.rule({ toServer: (chunk) => (chunk.includes("save_snapshot") ? "cut" : "pass") });
  expect(await handle(add("cut", [1, 2]))).toMatchObject({ kind: "accepted", version: 2 });
  expect([states.counts["varve.snapshot.saves failed"], states.lines]).toEqual([
    1,
    ["a snapshot could not be stored"],
  ]);
  proxy.resume();
  expect(await handle(add("cut", [3]))).toMatchObject({ kind: "accepted", version: 3 });
  expect(await storedSnapshot(sql, "cut")).toEqual([3, 1, countedUp([1, 2, 3])]);
});

test("command is answered in time when the database falls silent while its snapshot is stored", async () => {
  const { handle, states } = instance();
  const silent = new Set<number>();
  proxy.rule({
    toServer: (chunk, connection) => {
      if (chunk.includes("save_snapshot")) silent.add(connection);
      return silent.has(connection) ? "hold" : "pass";
    },
  });
  const startMs = performance.now();
  expect(await handle(add("silent", [1]))).toMatchObject({ kind: "accepted", version: 1 });
  expect(performance.now() - startMs).toBeLessThan(limits.snapshotMs + SLACK_MS);
  await until("the call is given up", () => states.counts["varve.snapshot.saves failed"] === 1);
});

test("command is answered in time when another session holds the snapshot's row", async () => {
  const { handle, states } = instance();
  await handle(add("held", [1]));
  const rival = openSql(database.url);
  await rival.begin(async (tx) => {
    await tx`select from varve.snapshots where aggregate_id = 'held' for update`;
    const startMs = performance.now();
    expect(await handle(add("held", [2]))).toMatchObject({ kind: "accepted", version: 2 });
    expect(performance.now() - startMs).toBeLessThan(limits.snapshotMs + SLACK_MS);
    await until("the call is given up", () => states.counts["varve.snapshot.saves failed"] === 1);
  });
  await rival.end({ timeout: 1 });
});

test("command is answered in time when no connection is free for its snapshot", async () => {
  const tight = openTestPool(database.url, { size: 1 });
  const query: Pool["query"] = (statement, ...rest) =>
    (statement.name === "save_snapshot" ? tight : pool).query(statement, ...rest);
  const { handle, states } = instance({ ...pool, query });
  const busy = tight.query({ name: "sleep", text: "select pg_sleep(4)" }, []);
  const startMs = performance.now();
  expect(await handle(add("waiting", [1]))).toMatchObject({ kind: "accepted", version: 1 });
  expect(performance.now() - startMs).toBeLessThan(limits.snapshotMs + SLACK_MS);
  await busy;
  expect(await states.drain(5_000)).toBe(true);
  expect(await storedSnapshot(sql, "waiting")).toEqual([1, 1, countedUp([1])]);
  await tight.close(1_000);
});

test("command is answered when the role may no longer store snapshots", async () => {
  const { handle, states } = instance();
  await sql`alter function varve.save_snapshot rename to save_snapshot_away`;
  const outcome = await handle(add("refused", [1]));
  await sql`alter function varve.save_snapshot_away rename to save_snapshot`;
  expect([outcome.kind, states.counts["varve.snapshot.saves failed"]]).toEqual(["accepted", 1]);
});
