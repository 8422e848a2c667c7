import { afterEach, beforeEach, expect, test } from "bun:test";
import type postgres from "postgres";

import { sleep } from "#kernel/clock.ts";
import { limits } from "#kernel/limits.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, type TestDatabase } from "#test/database.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { ensureSubscriptions, startLoop } from "#test/support/loops.ts";
import { openSql } from "#test/support/pools.ts";
import { closeStore, openStore } from "#test/support/store.ts";
import {
  checkpointOf,
  meetingReactor,
  reached,
  upTo,
  versionsIn,
  versionsView,
} from "#test/support/watched.ts";
import { until } from "#test/until.ts";

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
let other: postgres.Sql;
let stops: (() => Promise<void>)[];
beforeEach(async () => {
  ({ database, pool, sql } = await openStore());
  other = openSql(database.url);
  stops = [];
});
afterEach(async () => {
  await Promise.all(stops.map((stop) => stop()));
  await other.end({ timeout: 1 });
  await assertNothingLeftOpen(database.url);
  await closeStore({ database, pool, sql });
});

let met: number[];
const views = [versionsView("locked"), versionsView("free")];
const reactors = [
  meetingReactor("called", ({ position }) => void met.push(position)),
  // Nothing of the tests is of that type: they go past everything.
  meetingReactor("passing", () => undefined, { events: ["OrderCreated"] }),
  meetingReactor("passing-too", () => undefined, { events: ["OrderCreated"] }),
];

function start() {
  const loop = startLoop({ pool, views, reactors });
  stops.push(loop.stop);
  return {
    ...loop,
    stateOf: (name: string) => loop.report().find((one) => one.name === name)?.state,
  };
}

const lock = (...subscriptions: readonly string[]) =>
  other.unsafe(
    `begin; select from varve.checkpoints
       where subscription = any ('{${subscriptions.join(",")}}') for update`,
  );
const unlock = () => other.unsafe("rollback");

const passed = (position: number) =>
  Promise.all(["free", "called", "passing-too"].map((name) => reached(sql, name, position, 2_500)));

beforeEach(async () => {
  met = [];
  await ensureSubscriptions(pool, { views, reactors });
  await appendAll(pool, appendTo("a", 0, 3));
});

test("subscription rests, the others go on, and nothing is lost when its row is locked", async () => {
  const loop = start();
  await until("all are live", () => loop.report().every(({ state }) => state === "live"));
  await passed(3);
  await lock("locked", "passing");
  await appendAll(pool, appendTo("a", 3, 4));
  loop.wake();
  await passed(7);
  for (const name of ["locked", "passing"]) {
    await until(`${name} rests`, () => loop.stateOf(name) === "error");
  }
  await appendAll(pool, appendTo("b", 0, 2));
  loop.wake();
  await passed(9);
  expect([await checkpointOf(sql, "locked"), await checkpointOf(sql, "passing")]).toEqual([3, 3]);
  const told = loop.failures.map(({ subscription, code, category, outcome }) =>
    [subscription, code, category, outcome].join(" "),
  );
  expect(new Set(told)).toEqual(
    new Set(["locked", "passing"].map((name) => `${name} database-timeout infrastructure paused`)),
  );
  // Each says it once.
  expect(loop.codes).toEqual(["database-timeout", "database-timeout"]);
  await unlock();
  await Promise.all(["locked", "passing"].map((name) => reached(sql, name, 9)));
  await until("all are live", () => loop.report().every(({ state }) => state === "live"));
  const whole = { a: upTo(7), b: upTo(2) };
  expect([await versionsIn(sql, "locked"), await versionsIn(sql, "free"), met]).toEqual([
    whole,
    whole,
    upTo(9) as number[],
  ]);
});

test("instance that starts takes the others over when the row of one is locked", async () => {
  await lock("locked", "passing");
  const startedMs = performance.now();
  const loop = start();
  await passed(3);
  expect(performance.now() - startedMs).toBeLessThan(limits.leaseMs);
  expect(loop.codes).toEqual([]);
  expect(await checkpointOf(sql, "locked")).toBe(0);
  await unlock();
  await Promise.all(["locked", "passing"].map((name) => reached(sql, name, 3)));
  expect(await versionsIn(sql, "locked")).toEqual({ a: upTo(3) });
});

test("others keep their leases when the row is locked of one whose partitions are to change", async () => {
  const loop = start();
  await passed(3);
  await reached(sql, "locked", 3);
  // As a change of partitions leaves it once all of them have arrived.
  await sql`update varve.checkpoints set barrier = position where subscription = 'called'`;
  await lock("called");
  await sql`update varve.subscriptions set wanted_partitions = 2 where name = 'called'`;
  const epochs = () => loop.report().map(({ name, epoch }) => `${name} ${epoch}`);
  const before = epochs();
  await sleep(1.5 * limits.leaseMs);
  expect(epochs()).toEqual(before);
  await appendAll(pool, appendTo("b", 0));
  loop.wake();
  await Promise.all(["free", "locked"].map((name) => reached(sql, name, 4, 2_500)));
  await unlock();
  await until("the change is made", async () => {
    const rows = await sql`select from varve.checkpoints where subscription = 'called'`;
    return rows.length === 2;
  });
});
