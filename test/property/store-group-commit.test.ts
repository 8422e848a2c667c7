import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import type postgres from "postgres";

import { uuidv7 } from "#kernel/ids.ts";
import type { Append, AppendOutcome } from "#store/append.ts";
import { createGroupCommit } from "#store/group-commit.ts";
import type { Pool } from "#store/pool.ts";
import type { TestDatabase } from "#test/database.ts";
import { appendTo } from "#test/support/appends.ts";
import { logFaults } from "#test/support/log-faults.ts";
import { closeStore, openStore } from "#test/support/store.ts";

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
beforeAll(async () => {
  ({ database, pool, sql } = await openStore());
});
afterAll(() => closeStore({ database, pool, sql }));

/** Appends over few streams, each through one of two processes, all sent in the same turn. */
const callers = fc.array(
  fc.record({
    stream: fc.integer({ min: 0, max: 4 }),
    expected: fc.oneof(fc.constant(null), fc.integer({ min: 0, max: 4 })),
    count: fc.integer({ min: 1, max: 3 }),
    process: fc.integer({ min: 0, max: 1 }),
  }),
  { minLength: 1, maxLength: 60 },
);

type Sent = { readonly append: Append; readonly process: number; readonly outcome: AppendOutcome };

type Stored = { readonly position: number; readonly version: number };

/** Where the events of a run are, by their id. */
async function storedEvents(run: string): Promise<ReadonlyMap<string, Stored>> {
  const rows = await sql<{ id: string; position: number; version: number }[]>`
    select event_id as id, position::int, version::int from varve.events
     where aggregate_id like ${`${run}%`}`;
  return new Map(rows.map(({ id, position, version }) => [id, { position, version }]));
}

/** What the log must hold of an append with this outcome: its events in a row, or none of them. */
const placesOf = ({ append, outcome }: Sent) =>
  append.events.map((_, index) =>
    outcome.outcome === "conflict" || outcome.outcome === "replayed"
      ? undefined
      : {
          position: outcome.position + index,
          version: outcome.version - append.events.length + 1 + index,
        },
  );

/** Whether the outcome is one that the expectation allows. */
const isAllowed = ({ append, outcome }: Sent): boolean => {
  const { expectedVersion, events } = append;
  if (outcome.outcome === "already" || outcome.outcome === "replayed") return false;
  if (outcome.outcome === "conflict") {
    return expectedVersion !== null && outcome.version !== expectedVersion;
  }
  return expectedVersion === null || outcome.version === expectedVersion + events.length;
};

test("each outcome is what the log holds when appends race over two processes", async () => {
  await fc.assert(
    fc.asyncProperty(callers, async (asked) => {
      const run = uuidv7();
      const processes = [createGroupCommit(pool), createGroupCommit(pool)] as const;
      const sent = await Promise.all(
        asked.map(async ({ stream, expected, count, process }): Promise<Sent> => {
          const append = appendTo(`${run}-${stream}`, expected, count);
          const { append: send } = process === 0 ? processes[0] : processes[1];
          return { append, process, outcome: await send(append) };
        }),
      );
      await Promise.all(processes.map((one) => one.drain()));
      const stored = await storedEvents(run);
      const found = sent.map(({ append }) => append.events.map(({ id }) => stored.get(id)));
      expect(found).toEqual(sent.map(placesOf));
      expect(sent.filter((one) => !isAllowed(one))).toEqual([]);
      // In one process, appends of one stream that any version suits keep the order of the callers.
      for (const [index, { append, process, outcome }] of sent.entries()) {
        const later = sent
          .slice(index + 1)
          .filter((other) => other.process === process)
          .find((other) => other.append.aggregateId === append.aggregateId);
        if (later === undefined || outcome.outcome !== "appended") continue;
        if (later.outcome.outcome === "appended") {
          expect(later.outcome.position).toBeGreaterThan(outcome.position);
        }
      }
    }),
    { numRuns: 60 },
  );
  expect(await logFaults(sql)).toEqual([]);
});
