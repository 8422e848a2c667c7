import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import type postgres from "postgres";

import { loadAggregate } from "#command/load.ts";
import { newSnapshot } from "#command/snapshots.ts";
import { nothingFolded } from "#domain/fold.ts";
import { uuidv7 } from "#kernel/ids.ts";
import type { Pool } from "#store/pool.ts";
import { readStream } from "#store/events.ts";
import { saveSnapshot } from "#store/snapshots.ts";
import type { TestDatabase } from "#test/database.ts";
import { appendAll } from "#test/support/appends.ts";
import { counters, countedUp, countersOf } from "#test/support/counters.ts";
import { openCounts } from "#test/support/states.ts";
import { closeStore, openStore } from "#test/support/store.ts";

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
beforeAll(async () => {
  ({ database, pool, sql } = await openStore());
});
afterAll(() => closeStore({ database, pool, sql }));

type Step =
  | { readonly do: "append"; readonly amounts: readonly number[] }
  /** Snapshots at these shares of the stream, all at the same moment. */
  | { readonly do: "save"; readonly at: readonly { share: number; schema: 1 | 2 }[] }
  | { readonly do: "ruin"; readonly how: "state" | "ahead" | "time" | "drop" };

const amount = fc.integer({ min: -9, max: 9 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("append" as const),
      amounts: fc.array(amount, { minLength: 1, maxLength: 5 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("save" as const),
      at: fc.array(
        fc.record({
          share: fc.double({ min: 0, max: 1, noNaN: true }),
          schema: fc.constantFrom(1 as const, 2 as const),
        }),
        { minLength: 1, maxLength: 4 },
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("ruin" as const),
      how: fc.constantFrom("state", "ahead", "time", "drop"),
    }),
  },
);

/** What a program of that schema would have stored when the stream had that version. */
async function snapshotAt(id: string, amounts: readonly number[], version: number, schema: 1 | 2) {
  const range = { aggregateType: "Counter", aggregateId: id, fromVersion: version };
  const [event] = await readStream(pool, { ...range, toVersion: version, limit: 1 });
  if (event === undefined) throw new Error("a version has its event");
  const snapshot = newSnapshot(countersOf(schema), id, {
    state: countedUp(amounts.slice(0, version)),
    version,
    position: event.position,
    createdAt: event.createdAt,
    snapshotVersion: 0,
  });
  if (snapshot === undefined) throw new Error("counters have snapshots");
  return snapshot;
}

const ruin = {
  state: (id: string) => sql`update varve.snapshots set state = '[]' where aggregate_id = ${id}`,
  ahead: (id: string) => sql`update varve.snapshots set version = 999 where aggregate_id = ${id}`,
  time: (id: string) => sql`update varve.snapshots set created_at = created_at + interval '9 years'
    where aggregate_id = ${id}`,
  drop: (id: string) => sql`delete from varve.snapshots where aggregate_id = ${id}`,
};

const append = (id: string, amounts: readonly number[], expectedVersion: number) =>
  appendAll(pool, {
    aggregateType: "Counter",
    aggregateId: id,
    expectedVersion,
    events: amounts.map((each) => ({
      id: uuidv7(),
      type: "Added",
      schemaVersion: 1,
      timestamp: "2026-01-01T00:00:00Z",
      payload: { amount: each },
      metadata: {},
      subjectKeys: [],
    })),
  });

test("load is the replay of its events wherever snapshots stand and whatever befell them", async () => {
  const { counts, meter } = openCounts();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
      const id = uuidv7();
      const amounts: number[] = [];
      for (const each of steps) {
        if (each.do === "append") {
          await append(id, each.amounts, amounts.length);
          amounts.push(...each.amounts);
        } else if (each.do === "ruin") await ruin[each.how](id);
        else if (amounts.length > 0) {
          const wanted = each.at.map(({ share, schema }) => {
            const version = Math.max(1, Math.round(share * amounts.length));
            return snapshotAt(id, amounts, version, schema);
          });
          const snapshots = await Promise.all(wanted);
          await Promise.all(snapshots.map((snapshot) => saveSnapshot(pool, snapshot)));
        }
        for (const schema of [1, 2, undefined]) {
          const options = { pool, meter, threshold: 1 };
          const { state, version } = await loadAggregate(options, countersOf(schema), id);
          const nothing = nothingFolded(counters);
          const truth = amounts.length === 0 ? nothing.state : countedUp(amounts);
          expect({ state, version }).toEqual({ state: truth, version: amounts.length });
        }
      }
    }),
    { numRuns: 60 },
  );
  // Every way to begin has been gone.
  const outcomes = ["hit", "missing", "other_schema_version", "ahead_of_stream", "unreadable"];
  const never = outcomes.filter((outcome) => !counts[`varve.snapshot.loads ${outcome}`]);
  expect(never).toEqual([]);
}, 60_000);
