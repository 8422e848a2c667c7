import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type postgres from "postgres";

import type { StatesOptions } from "#command/states.ts";
import { limits } from "#kernel/limits.ts";
import type { Keyring } from "#pii/keyring.ts";
import type { GroupCommit } from "#store/group-commit.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, type TestDatabase } from "#test/database.ts";
import { closeCommandStore, openCommandStore } from "#test/support/command-store.ts";
import { add, countersOf, countedUp } from "#test/support/counters.ts";
import { logFaults } from "#test/support/log-faults.ts";
import { createBody, openHandler, request, secret } from "#test/support/orders.ts";
import { openSql } from "#test/support/pools.ts";
import { openTestStates, storedSnapshot } from "#test/support/states.ts";
import { until } from "#test/until.ts";

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
let keyring: Keyring;
let groupCommit: GroupCommit;
beforeAll(async () => {
  ({ database, pool, sql, keyring, groupCommit } = await openCommandStore());
});
afterEach(async () => {
  expect(await logFaults(sql)).toEqual([]);
  await assertNothingLeftOpen(database.url);
});
afterAll(() => closeCommandStore({ database, pool, sql, keyring, groupCommit }));

/** An instance of its own, which holds no state unless a test says so. */
function instance(changed: Partial<StatesOptions> = {}) {
  const states = openTestStates(pool, { threshold: 3, heldMax: 0, ...changed });
  return { ...openHandler(pool, keyring, groupCommit, states), states };
}

const stored = (id: string) => storedSnapshot(sql, id);

/** Keeps the table from being written while the work runs. */
async function whileLocked(work: () => Promise<void>): Promise<void> {
  const rival = openSql(database.url);
  try {
    await rival.begin(async (tx) => {
      await tx`lock table varve.snapshots in share mode`;
      await work();
    });
  } finally {
    await rival.end({ timeout: 1 });
  }
}

describe("a snapshot", () => {
  test("is taken when an append of several events crosses the threshold without hitting it", async () => {
    const { handle, states } = instance();
    await handle(add("crossed", [1, 2]));
    expect(await stored("crossed")).toBeUndefined();
    await handle(add("crossed", [3, 4, 5]));
    expect(await stored("crossed")).toEqual([5, 1, countedUp([1, 2, 3, 4, 5])]);
    await handle(add("crossed", [6, 7]));
    expect(await stored("crossed")).toEqual([5, 1, countedUp([1, 2, 3, 4, 5])]);
    await handle(add("crossed", [8]));
    expect(await stored("crossed")).toEqual([8, 1, countedUp([1, 2, 3, 4, 5, 6, 7, 8])]);
    expect(states.counts).toMatchObject({ "varve.snapshot.saves saved": 2 });
  });

  test("is taken once a threshold when the states are held as well", async () => {
    const { handle, states } = instance({ heldMax: 10 });
    for (let n = 1; n <= 7; n += 1) await handle(add("held", [n]));
    expect(await stored("held")).toEqual([6, 1, countedUp([1, 2, 3, 4, 5, 6])]);
    expect(states.counts).toEqual({
      "varve.aggregate.cache_lookups miss": 1,
      "varve.aggregate.cache_lookups hit": 6,
      "varve.aggregate.replayed_events": 0,
      "varve.snapshot.saves saved": 2,
    });
  });

  test("is taken of no aggregate that declares none, however long its stream is", async () => {
    const { handle } = instance({ heldMax: 10 });
    await handle(add("undeclared", [1, 2, 3, 4], countersOf(undefined)));
    expect(await stored("undeclared")).toBeUndefined();
  });

  test("is taken after the answer when the mode is background, and in the drain at the latest", async () => {
    const { handle, states } = instance({ mode: "background" });
    const drained = Promise.withResolvers<boolean>();
    let early: unknown;
    await whileLocked(async () => {
      const answer = await handle(add("background", [1, 2, 3]));
      expect(answer).toMatchObject({ kind: "accepted", version: 3 });
      void states.drain(5_000).then(drained.resolve);
      early = await Promise.race([drained.promise, Promise.resolve("waiting")]);
    });
    expect([early, await drained.promise]).toEqual(["waiting", true]);
    expect(await stored("background")).toEqual([3, 1, countedUp([1, 2, 3])]);
  });

  test("is not waited for in the drain when the time is over, nor taken any more", async () => {
    const { handle, states } = instance({ mode: "background" });
    await whileLocked(async () => {
      await handle(add("late", [1, 2, 3]));
      expect(await states.drain(50)).toBe(false);
      await handle(add("later", [1, 2, 3]));
    });
    expect(await states.drain(5_000)).toBe(true);
    expect(await stored("later")).toBeUndefined();
    expect(states.counts).toMatchObject({ "varve.snapshot.saves dropped": 1 });
  });

  test("is the newest of its stream when several wait in the background", async () => {
    const { handle, states } = instance({ mode: "background", threshold: 1 });
    await whileLocked(async () => {
      // As many as may be under way at once, so that the others wait.
      for (let n = 0; n < limits.snapshotsInFlight; n += 1) await handle(add(`busy-${n}`, [1]));
      for (let n = 1; n <= 4; n += 1) await handle(add("newest", [n]));
    });
    expect(await states.drain(5_000)).toBe(true);
    expect(await stored("newest")).toEqual([4, 1, countedUp([1, 2, 3, 4])]);
    expect(states.counts).toMatchObject({
      "varve.snapshot.saves saved": limits.snapshotsInFlight + 1,
      "varve.snapshot.saves outdated": 3,
    });
  });

  test("is dropped and counted when too many wait, and the next append offers it again", async () => {
    const { handle, states } = instance({ mode: "background", threshold: 1, heldMax: 0 });
    await whileLocked(async () => {
      const most = limits.snapshotQueue + limits.snapshotsInFlight;
      await Promise.all(
        Array.from({ length: most }, async (_, n) => handle(add(`many-${n}`, [1]))),
      );
      await handle(add("too-many", [1]));
      expect(states.counts["varve.snapshot.saves dropped"]).toBe(1);
    });
    await until(
      "there is room again",
      () => (states.counts["varve.snapshot.saves saved"] ?? 0) > 9,
    );
    await handle(add("too-many", [2]));
    expect(await states.drain(10_000)).toBe(true);
    expect(await stored("too-many")).toEqual([2, 1, countedUp([1, 2])]);
  }, 20_000);

  test("is nobody's but an operator's when the mode is manual", async () => {
    const { handle, states } = instance({ mode: "manual" });
    await handle(add("manual", [1, 2, 3, 4]));
    expect([await stored("manual"), Object.keys(states.counts)]).toEqual([
      undefined,
      ["varve.aggregate.replayed_events"],
    ]);
  });

  test("is not stored when the state is larger than a snapshot may be", async () => {
    const { handle, states } = instance({ threshold: 1 });
    const line = (n: number) => ({ sku: `${n}`.padEnd(64, "x"), quantity: 1, unitPrice: 1 });
    const lines = Array.from({ length: limits.snapshotBytes / 80 }, (_, n) => line(n));
    const outcome = await handle(request("vast", "create", { ...createBody, lines }));
    expect(outcome).toMatchObject({ kind: "accepted", version: 1 });
    expect(await stored("vast")).toBeUndefined();
    expect(states.counts).toMatchObject({ "varve.snapshot.saves too_large": 1 });
  });

  test("holds sealed values and names their keys when the state has personal data", async () => {
    const { handle } = instance({ threshold: 1 });
    await handle(request("sealed", "create", createBody));
    const [row] = await sql<{ text: string; used: boolean }[]>`
      select n::text as text, n.subject_keys = e.subject_keys as used
        from varve.snapshots n join varve.events e using (aggregate_id)
       where aggregate_id = 'sealed'`;
    expect([row?.used, row?.text.includes("es1."), /kanarienvogel/i.test(row?.text ?? "")]).toEqual(
      [true, true, false],
    );
    const after = await handle(
      request("sealed", "change-contact", { contact: { ...secret, name: "Zoe Kanarienvogel" } }),
    );
    expect(after).toMatchObject({ kind: "accepted", version: 2 });
  });
});
