import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type postgres from "postgres";

import { loadAggregate } from "#command/load.ts";
import type { StatesOptions } from "#command/states.ts";
import { Defect } from "#kernel/errors.ts";
import type { Keyring } from "#pii/keyring.ts";
import type { GroupCommit } from "#store/group-commit.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, type TestDatabase } from "#test/database.ts";
import { add, counters, countersOf, countedUp } from "#test/support/counters.ts";
import { logFaults } from "#test/support/log-faults.ts";
import { closeCommandStore, openCommandStore } from "#test/support/command-store.ts";
import { openHandler } from "#test/support/orders.ts";
import { openCounts, openTestStates, storedSnapshot } from "#test/support/states.ts";

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

  test("is a defect that names the versions when the stream ends before its own", async () => {
    await instance().handle(add("short", amounts));
    const claim = (version: number) => sql`
      update varve.streams set version = ${version} where aggregate_id = 'short'`;
    await claim(7);
    try {
      const fault: unknown = await loaded("short").catch((error: unknown) => error);
      expect(fault).toEqual(
        new Defect("a stream of Counter ends at version 5 of 7: run `varve verify`"),
      );
    } finally {
      await claim(5);
    }
  });

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

  test("replays from the first event when its snapshot stands behind the events after it", async () => {
    const counts = { "varve.snapshot.loads unreadable": 1, "varve.aggregate.replayed_events": 5 };
    await instance().handle(add("behind", amounts.slice(0, 3)));
    await instance().handle(add("behind", amounts.slice(3)));
    const [last] = await sql`select position::text, created_at::text from varve.events
      where aggregate_id = 'behind' and version = 4`;
    // Of a state of version 4, each by itself, as if it were of version 2.
    for (const changed of [
      { position: last?.["position"] },
      { created_at: last?.["created_at"] },
    ]) {
      await forge("behind", changed);
      expect(await loaded("behind")).toEqual({ ...truth, counts });
    }
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
