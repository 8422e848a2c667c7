import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import type postgres from "postgres";

import { uuidv7 } from "#kernel/ids.ts";
import type { Append } from "#store/append.ts";
import type { Pool } from "#store/pool.ts";
import type { TestDatabase } from "#test/database.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { logFaults } from "#test/support/log-faults.ts";
import { closeStore, openStore } from "#test/support/store.ts";

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
beforeAll(async () => {
  ({ database, pool, sql } = await openStore());
});
afterAll(() => closeStore({ database, pool, sql }));

/** What one append of a batch asks, before the streams' versions are known. */
type Ask =
  | { readonly kind: "none" | "exact" | "any" | "stale" | "ahead"; readonly count: number }
  /** The same append as that one of the earlier ones, event ids and all. */
  | { readonly kind: "repeat"; readonly which: number };

type Entry = { readonly stream: string; readonly ask: Ask };

const ask: fc.Arbitrary<Ask> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom("none", "exact", "any", "stale", "ahead"),
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("repeat"), which: fc.nat(30) }) },
);

const batches: fc.Arbitrary<Entry[][]> = fc.array(
  fc.uniqueArray(fc.record({ stream: fc.constantFrom("a", "b", "c", "d"), ask }), {
    selector: ({ stream }) => stream,
    minLength: 1,
  }),
  { minLength: 1, maxLength: 12 },
);

type Result = { readonly version: number; readonly position: number };

/** What the log promises, as plainly as it can be said. */
function createModel(head: number) {
  const versions = new Map<string, number>();
  const results = new Map<Append, Result>();
  const sent: Append[] = [];
  let position = head;

  const versionOf = (id: string): number => versions.get(id) ?? 0;

  const expectationOf = (kind: Exclude<Ask["kind"], "repeat">, version: number): number | null =>
    ({ none: 0, exact: version, any: null, stale: Math.max(0, version - 1), ahead: version + 1 })[
      kind
    ];

  return {
    /** The append that the entry asks for; a repetition of nothing asks for anything. */
    appendFor: (run: string, { stream, ask }: Entry): Append => {
      const id = `${run}-${stream}`;
      const own = sent.filter(({ aggregateId }) => aggregateId === id);
      const repeated = ask.kind === "repeat" ? own[ask.which % Math.max(own.length, 1)] : undefined;
      if (repeated !== undefined) return repeated;
      const { kind, count } = ask.kind === "repeat" ? { kind: "any" as const, count: 1 } : ask;
      const append = appendTo(id, expectationOf(kind, versionOf(id)), count);
      sent.push(append);
      return append;
    },
    /** What the append comes to, in a batch whose earlier appends have been asked about. */
    outcomeOf: (append: Append): readonly unknown[] => {
      const { aggregateId: id, expectedVersion, events } = append;
      const version = versionOf(id);
      const known = results.get(append);
      if (known !== undefined) return ["already", known.version, known.position];
      if (expectedVersion !== null && expectedVersion !== version) return ["conflict", version];
      const result = { version: version + events.length, position: position + 1 };
      versions.set(id, result.version);
      results.set(append, result);
      position += events.length;
      return ["appended", result.version, result.position];
    },
  };
}

const headOf = async (): Promise<number> => {
  const [row] = await sql<{ head: number }[]>`select position::int as head from varve.log_head()`;
  return row?.head ?? 0;
};

test("append answers as its model does when batches of every expectation come", async () => {
  await fc.assert(
    fc.asyncProperty(batches, async (entries) => {
      const run = uuidv7();
      const model = createModel(await headOf());
      for (const batch of entries) {
        const appends = batch.map((entry) => model.appendFor(run, entry));
        const answers = await appendAll(pool, ...appends);
        const plain: unknown[] = answers.map((answer) => {
          if (answer.outcome === "replayed") return ["replayed"];
          if (answer.outcome === "conflict") return ["conflict", answer.version];
          return [answer.outcome, answer.version, answer.position];
        });
        expect(plain).toEqual(appends.map(model.outcomeOf));
      }
    }),
    { numRuns: 60 },
  );
  expect(await headOf()).toBeGreaterThan(200);
  expect(await logFaults(sql)).toEqual([]);
});
