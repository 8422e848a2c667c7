import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type postgres from "postgres";

import { createHeldStates } from "#command/held-states.ts";
import type { Loaded } from "#command/load.ts";
import type { StatesOptions } from "#command/states.ts";
import { limits } from "#kernel/limits.ts";
import type { Keyring } from "#pii/keyring.ts";
import type { GroupCommit } from "#store/group-commit.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, type TestDatabase } from "#test/database.ts";
import { add, counters, countersOf, take } from "#test/support/counters.ts";
import { logFaults } from "#test/support/log-faults.ts";
import { closeCommandStore, openCommandStore } from "#test/support/command-store.ts";
import { openHandler } from "#test/support/orders.ts";
import { openTestStates } from "#test/support/states.ts";

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

/** An instance with a memory of its own, and the statements that it sent to load. */
function instance(changed: Partial<StatesOptions> = {}, commit = groupCommit) {
  const loads: string[] = [];
  const query: Pool["query"] = (statement, parameters, ...rest) => {
    loads.push(statement.name);
    return pool.query(statement, parameters, ...rest);
  };
  const states = openTestStates({ ...pool, query }, { mode: "manual", ...changed });
  return { ...openHandler(pool, keyring, commit, states), states, loads };
}

const accepted = (version: number) => ({ kind: "accepted", version });

describe("a held state", () => {
  test("spares every load but the first when one instance alone appends", async () => {
    const { handle, loads } = instance();
    for (const n of [1, 2, 3]) expect(await handle(add("alone", [n]))).toMatchObject(accepted(n));
    expect(await handle(take("alone", 6))).toMatchObject(accepted(4));
    expect(loads).toEqual(["load_aggregate"]);
  });

  test("is decided on again from the database when another instance has gone on", async () => {
    const [one, two] = [instance(), instance()];
    await one.handle(add("both", [5]));
    await two.handle(take("both", 5));
    // What one holds would allow it.
    expect(await one.handle(take("both", 1))).toEqual({
      kind: "rejected",
      rejection: { type: "counter-poor", total: 0 } as { type: string },
      reason: "conflict",
    });
  });

  test("refuses nobody by itself when another instance has made it possible", async () => {
    const [one, two] = [instance(), instance()];
    await one.handle(add("richer", [1]));
    await two.handle(add("richer", [9]));
    expect(await one.handle(take("richer", 10))).toMatchObject(accepted(3));
  });

  test("answers nothing by itself when the command changes nothing", async () => {
    const [one, two] = [instance(), instance()];
    await one.handle(add("unchanged", [1]));
    const other = await two.handle(add("unchanged", [1]));
    const position = other.kind === "accepted" ? other.position : 0;
    expect(await one.handle(add("unchanged", []))).toEqual({
      kind: "accepted",
      version: 2,
      position,
      events: [],
      replayed: false,
    });
  });

  test("is no mismatch when the caller has seen what another instance stored", async () => {
    const [one, two] = [instance(), instance()];
    await one.handle(add("matched", [1]));
    await two.handle(add("matched", [1]));
    expect([
      await one.handle({ ...add("matched", [1]), expectedVersion: 2 }),
      await two.handle({ ...add("matched", [1]), expectedVersion: 2 }),
    ]).toMatchObject([accepted(3), { kind: "version-mismatch", version: 3 }]);
  });

  test("gives the first answer again when the key was used at another instance", async () => {
    const [one, two] = [instance(), instance()];
    const keyed = {
      ...add("keyed", [1]),
      idempotency: { principal: "key:a", key: "k-1" },
    };
    await one.handle(add("keyed", [1]));
    const first = await two.handle(keyed);
    expect(await one.handle(keyed)).toEqual({ ...first, replayed: true } as typeof first);
    expect(await one.handle(add("keyed", [1]))).toMatchObject(accepted(3));
  });

  test("keeps no answer for a key when nothing has verified it", async () => {
    const [one, two] = [instance(), instance()];
    await one.handle(add("kept", [1]));
    await two.handle(add("kept", [1]));
    const keyed = { ...add("kept", []), idempotency: { principal: "key:a", key: "k-2" } };
    expect(await one.handle(keyed)).toMatchObject({ ...accepted(2), replayed: false });
    await two.handle(add("kept", [1]));
    expect(await two.handle(keyed)).toMatchObject({ ...accepted(2), events: [], replayed: true });
  });

  test("costs none of the attempts when it turns out to be old", async () => {
    const [rival, one] = [instance(), instance()];
    await one.handle(add("raced", [1]));
    await rival.handle(add("raced", [1]));
    let overtaken = 0;
    const late = {
      ...groupCommit,
      append: async (append: Parameters<GroupCommit["append"]>[0]) => {
        overtaken += 1;
        if (overtaken <= limits.decideAttempts) await rival.handle(add("raced", [1]));
        return groupCommit.append(append);
      },
    };
    // The held state loses as well; after it there are as many attempts as ever.
    const outcome = await openHandler(pool, keyring, late, one.states).handle(add("raced", [1]));
    expect([outcome.kind, overtaken]).toEqual(["accepted", limits.decideAttempts + 1]);
  });

  test("serves what comes later when two race for one stream in one instance", async () => {
    const { handle, loads } = instance();
    await handle(add("twins", [1]));
    await Promise.all([handle(add("twins", [1])), handle(add("twins", [1]))]);
    const before = loads.length;
    expect(await handle(take("twins", 3))).toMatchObject(accepted(4));
    expect(loads.length - before).toBe(0);
  });

  test("is none when the aggregate declares no snapshot, or none may be held", async () => {
    const undeclared = instance();
    const unheld = instance({ heldMax: 0 });
    for (const n of [1, 2]) {
      await undeclared.handle(add("undeclared", [n], countersOf(undefined)));
      await unheld.handle(add("unheld", [n]));
    }
    expect([undeclared.loads.length, unheld.loads.length]).toEqual([2, 2]);
  });

  test("is the replayed one to the last bit when events were stored beside it", async () => {
    const [one, two] = [instance(), instance()];
    await one.handle(add("equal", [0.1, -0, 1e21, 5e-324]));
    await one.handle(take("equal", 3));
    const held = one.states.held({ aggregate: counters, aggregateId: "equal" });
    const loaded = await two.states.load({ aggregate: counters, aggregateId: "equal" });
    expect(held).toEqual(loaded);
    expect(loaded).toMatchObject({ version: 5, state: { notes: 0 } });
  });
});

const loadedAt = (version: number, state: unknown = {}): Loaded => ({
  state,
  version,
  position: version,
  snapshotVersion: 0,
});

test("decider that changes a state fails at its first command, and nothing of it is kept", async () => {
  const decide: typeof counters.decider.decide = (command, state) => {
    Object.assign(state as object, { total: 99 });
    return counters.decider.decide(command, state);
  };
  const careless = { ...counters, decider: { ...counters.decider, decide } };
  const { handle, states } = instance({ mode: "sync", threshold: 1 });
  const answer = () => handle(add("careless", [2], careless)).catch((error: unknown) => error);
  expect(await answer()).toBeInstanceOf(TypeError);
  await handle(add("careless", [1]));
  states.forget({ aggregate: counters, aggregateId: "careless" }, loadedAt(1));
  expect(await answer()).toBeInstanceOf(TypeError);
  const { state } = await instance().states.load({ aggregate: counters, aggregateId: "careless" });
  expect(state).toMatchObject({ total: 1 });
});

describe("what is held", () => {
  test("cannot be changed by whoever decides on it", () => {
    const states = createHeldStates(1);
    const state = { lines: [{ quantity: 1 }] };
    states.hold(counters, "a", loadedAt(1, state));
    expect(() => state.lines.push({ quantity: 2 })).toThrow(TypeError);
    expect(() => Object.assign(state.lines[0] ?? {}, { quantity: 2 })).toThrow(TypeError);
  });

  test("is the most recently used when there are too many", () => {
    const states = createHeldStates(2);
    for (const id of ["a", "b"]) states.hold(counters, id, loadedAt(1));
    states.find(counters, "a");
    states.hold(counters, "c", loadedAt(1));
    const found = ["a", "b", "c"].map((id) => states.find(counters, id) !== undefined);
    expect(found).toEqual([true, false, true]);
  });

  test("is no more than its bytes when states are large", () => {
    const states = createHeldStates(100);
    const third = "x".repeat(limits.statesBytes / 3);
    for (const id of ["a", "b", "c"]) states.hold(counters, id, loadedAt(1, { third }));
    // Going on with one of them counts it once.
    states.hold(counters, "c", loadedAt(2, { third }));
    const found = ["a", "b", "c"].map((id) => states.find(counters, id)?.version);
    expect(found).toEqual([undefined, 1, 2]);
  });

  test("is the newer one when an older one comes late, and gone when that one was wrong", () => {
    const states = createHeldStates(1);
    states.hold(counters, "a", loadedAt(2));
    states.hold(counters, "a", loadedAt(1));
    states.forget(counters, "a", 1);
    const kept = states.find(counters, "a")?.version;
    states.forget(counters, "a", 2);
    expect([kept, states.find(counters, "a")]).toEqual([2, undefined]);
  });
});
