import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type postgres from "postgres";

import { loadAggregate } from "#command/load.ts";
import type { StatesOptions } from "#command/states.ts";
import { limits } from "#kernel/limits.ts";
import type { Keyring } from "#pii/keyring.ts";
import { createGroupCommit, type GroupCommit } from "#store/group-commit.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, type TestDatabase } from "#test/database.ts";
import { add, counters, countersOf, countedUp } from "#test/support/counters.ts";
import { openTestKeyring } from "#test/support/keyrings.ts";
import { logFaults } from "#test/support/log-faults.ts";
import { createBody, openHandler, request, secret } from "#test/support/orders.ts";
import { openSql } from "#test/support/pools.ts";
import { openCounts, openTestStates } from "#test/support/states.ts";
import { closeStore, openStore } from "#test/support/store.ts";
import { until } from "#test/until.ts";

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
let keyring: Keyring;
let groupCommit: GroupCommit;
beforeAll(async () => {
  ({ database, pool, sql } = await openStore());
  keyring = await openTestKeyring(pool);
  groupCommit = createGroupCommit(pool);
});
afterEach(async () => {
  expect(await logFaults(sql)).toEqual([]);
  await assertNothingLeftOpen(database.url);
});
afterAll(async () => {
  await groupCommit.drain();
  await closeStore({ database, pool, sql });
});

/** An instance of its own, which holds no state unless a test says so. */
function instance(changed: Partial<StatesOptions> = {}) {
  const states = openTestStates(pool, { threshold: 3, heldMax: 0, ...changed });
  return { ...openHandler(pool, keyring, groupCommit, states), states };
}

const stored = async (id: string) => {
  const [row] = await sql<{ version: number; schema: number; state: unknown }[]>`
    select version::int, schema_version as schema, state from varve.snapshots
     where aggregate_id = ${id}`;
  return row && [row.version, row.schema, row.state];
};

/** The state as a load gives it, and what the load counted. */
async function loaded(id: string, aggregate = counters, threshold = 3) {
  const { counts, meter } = openCounts();
  const { state, version } = await loadAggregate({ pool, meter, threshold }, aggregate, id);
  return { state, version, counts };
}

/** A snapshot that nobody would believe who looked at the events. */
async function forge(id: string, changed: Record<string, unknown> = {}): Promise<void> {
  await sql`delete from varve.snapshots where aggregate_id = ${id}`;
  await sql`
    insert into varve.snapshots (aggregate_type, aggregate_id, version, position, created_at,
        schema_version, state)
      select aggregate_type, aggregate_id, version, position, created_at, 1,
          '{"total":1000,"trail":0,"notes":0}'
        from varve.events where aggregate_id = ${id} and version = 2`;
  if (Object.keys(changed).length === 0) return;
  await sql`update varve.snapshots set ${sql(changed)} where aggregate_id = ${id}`;
}

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
    let [drained, early]: [Promise<boolean>?, unknown?] = [];
    await whileLocked(async () => {
      const answer = await handle(add("background", [1, 2, 3]));
      expect(answer).toMatchObject({ kind: "accepted", version: 3 });
      drained = states.drain(5_000);
      early = await Promise.race([drained, Promise.resolve("waiting")]);
    });
    expect([early, await drained]).toEqual(["waiting", true]);
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

describe("a load", () => {
  const amounts = [5, 4, 3, 2, 1];
  const truth = { state: countedUp(amounts), version: 5 };

  test("folds only what follows when the snapshot is good", async () => {
    await instance().handle(add("good", amounts.slice(0, 4)));
    await instance().handle(add("good", amounts.slice(4)));
    const counts = { "varve.snapshot.loads hit": 1, "varve.aggregate.replayed_events": 1 };
    expect(await loaded("good")).toEqual({ ...truth, counts });
    // It is believed: a state that no event could have made is gone on from.
    await forge("good");
    expect((await loaded("good")).state).toMatchObject({ total: 1_000 + 3 + 2 + 1 });
  });

  const bad: Readonly<Record<string, Record<string, unknown>>> = {
    other_schema_version: { schema_version: 2 },
    ahead_of_stream: { version: 6 },
    unreadable: { state: { total: "many" } },
  };
  for (const [reason, changed] of Object.entries(bad)) {
    test(`replays from the first event when its snapshot is ${reason}`, async () => {
      await instance().handle(add(reason, amounts));
      await forge(reason, changed);
      const counts = {
        [`varve.snapshot.loads ${reason}`]: 1,
        "varve.aggregate.replayed_events": 5,
      };
      expect(await loaded(reason)).toEqual({ ...truth, counts });
    });
  }

  test("removes a snapshot that is ahead when it meets one, before the stream comes so far", async () => {
    await instance().handle(add("ahead", amounts));
    await forge("ahead", { version: 6 });
    await loaded("ahead");
    await instance({ mode: "manual" }).handle(add("ahead", [9]));
    expect((await loaded("ahead")).state).toEqual(countedUp([...amounts, 9]));
  });

  test("replays from the first event when the state of its snapshot is null, or more than it may be", async () => {
    const counts = { "varve.snapshot.loads unreadable": 1, "varve.aggregate.replayed_events": 5 };
    await instance().handle(add("null", amounts));
    for (const state of [null, 7, [], { ...countedUp([1]), more: 1 }]) {
      await forge("null");
      await sql`update varve.snapshots set state = ${JSON.stringify(state)}::text::jsonb
        where aggregate_id = 'null'`;
      expect(await loaded("null")).toEqual({ ...truth, counts });
    }
  });

  test("replays from the first event when the snapshot's time is later than its events", async () => {
    const counts = { "varve.snapshot.loads unreadable": 1, "varve.aggregate.replayed_events": 5 };
    await instance().handle(add("belated", amounts));
    await forge("belated", { created_at: "2199-01-01T00:00:00Z" });
    expect(await loaded("belated")).toEqual({ ...truth, counts });
  });

  test("misses a snapshot when the stream has come to the threshold, and not before", async () => {
    const { handle } = instance({ mode: "manual" });
    await handle(add("missing", amounts));
    expect((await loaded("missing", counters, 5)).counts).toEqual({
      "varve.snapshot.loads missing": 1,
      "varve.aggregate.replayed_events": 5,
    });
    expect((await loaded("missing", counters, 6)).counts).toEqual({
      "varve.aggregate.replayed_events": 5,
    });
  });

  test("is replaced by the next append's snapshot when the one there is was no good", async () => {
    for (const [reason, changed] of Object.entries(bad)) {
      const id = `mended-${reason}`;
      await instance().handle(add(id, amounts));
      await forge(id, reason === "other_schema_version" ? { schema_version: 1 } : changed);
      const aggregate = countersOf(reason === "other_schema_version" ? 2 : 1);
      await instance().handle(add(id, [9], aggregate));
      const schema = aggregate.snapshot?.version;
      expect(await stored(id)).toEqual([6, schema, countedUp([...amounts, 9])]);
    }
  });

  test("leaves a newer program's snapshot until the threshold when two versions run at once", async () => {
    await instance().handle(add("rollout", amounts, countersOf(2)));
    const { handle } = instance();
    await handle(add("rollout", [1, 1]));
    expect((await stored("rollout"))?.slice(0, 2)).toEqual([5, 2]);
    await handle(add("rollout", [1]));
    expect((await stored("rollout"))?.slice(0, 2)).toEqual([8, 1]);
    await instance().handle(add("rollout", [1], countersOf(2)));
    expect(await stored("rollout")).toEqual([9, 2, countedUp([...amounts, 1, 1, 1, 1])]);
  });
});
