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
import { openTestPool } from "#test/support/pools.ts";
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
  | {
      readonly kind: "none" | "exact" | "any" | "stale" | "ahead";
      readonly count: number;
      readonly key: string | undefined;
    }
  /** The same append as that one of the earlier ones, event ids, key and all. */
  | { readonly kind: "repeat"; readonly which: number };

type Entry = { readonly stream: string; readonly ask: Ask };

/** A batch; or the process starts anew; or all of its sessions are ended by the server. */
type Action = readonly Entry[] | "restart" | "terminate";

const ask: fc.Arbitrary<Ask> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom("none", "exact", "any", "stale", "ahead"),
      count: fc.integer({ min: 1, max: 3 }),
      key: fc.option(fc.constantFrom("k1", "k2", "k3", "k4", "k5", "k6"), { nil: undefined }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("repeat"), which: fc.nat(30) }) },
);

const batch: fc.Arbitrary<Entry[]> = fc.uniqueArray(
  fc.record({ stream: fc.constantFrom("a", "b", "c", "d"), ask }),
  { selector: ({ stream }) => stream, minLength: 1 },
);

const actions: fc.Arbitrary<Action[]> = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: batch },
    { weight: 1, arbitrary: fc.constantFrom("restart" as const, "terminate" as const) },
  ),
  { minLength: 1, maxLength: 16 },
);

type Result = { readonly version: number; readonly position: number };

/** What the log promises, as plainly as it can be said. */
function createModel(run: string, head: number) {
  const versions = new Map<string, number>();
  const results = new Map<Append, Result>();
  const keys = new Set<string>();
  const sent: Append[] = [];
  let position = head;

  const versionOf = (id: string): number => versions.get(id) ?? 0;

  const expectationOf = (kind: Exclude<Ask["kind"], "repeat">, version: number): number | null =>
    ({ none: 0, exact: version, any: null, stale: Math.max(0, version - 1), ahead: version + 1 })[
      kind
    ];

  /** The append that the entry asks for; a repetition of nothing asks for anything. */
  const appendFor = ({ stream, ask }: Entry): Append => {
    const id = `${run}-${stream}`;
    const own = sent.filter(({ aggregateId }) => aggregateId === id);
    const repeated = ask.kind === "repeat" ? own[ask.which % Math.max(own.length, 1)] : undefined;
    if (repeated !== undefined) return repeated;
    const { kind, count, key } =
      ask.kind === "repeat" ? { kind: "any" as const, count: 1, key: undefined } : ask;
    const append = appendTo(id, expectationOf(kind, versionOf(id)), count);
    const claimed: Append =
      key === undefined
        ? append
        : { ...append, idempotency: { principal: run, key, fingerprint: "f" } };
    sent.push(claimed);
    return claimed;
  };

  return {
    /** The appends of a batch; two of them never bring the same key, as two requests do not. */
    batchOf: (entries: readonly Entry[]): readonly Append[] => {
      const used = new Set<string>();
      return entries.map(appendFor).filter(({ idempotency }) => {
        if (idempotency === undefined) return true;
        const isFree = !used.has(idempotency.key);
        used.add(idempotency.key);
        return isFree;
      });
    },
    /** What the append comes to, in a batch whose earlier appends have been asked about. */
    outcomeOf: (append: Append): readonly unknown[] => {
      const { aggregateId: id, expectedVersion, events, idempotency } = append;
      const version = versionOf(id);
      const known = results.get(append);
      if (known !== undefined) return ["already", known.version, known.position];
      if (expectedVersion !== null && expectedVersion !== version) return ["conflict", version];
      if (idempotency !== undefined && keys.has(idempotency.key)) return ["replayed"];
      const result = { version: version + events.length, position: position + 1 };
      versions.set(id, result.version);
      results.set(append, result);
      if (idempotency !== undefined) keys.add(idempotency.key);
      position += events.length;
      return ["appended", result.version, result.position];
    },
    streams: () => [...versions].map(([id, version]) => ({ id, version })),
    keys: () => keys,
  };
}

const plain = (outcome: AppendOutcome): readonly unknown[] => {
  if (outcome.outcome === "replayed") return ["replayed"];
  if (outcome.outcome === "conflict") return ["conflict", outcome.version];
  return [outcome.outcome, outcome.version, outcome.position];
};

const headOf = async (): Promise<number> => {
  const [row] = await sql<{ head: number }[]>`select position::int as head from varve.log_head()`;
  return row?.head ?? 0;
};

/** A process of the service, as far as appends go. */
function startProcess() {
  const own = openTestPool(database.url, { applicationName: "process" });
  const groupCommit = createGroupCommit(own);
  return {
    /** All of them are made in one turn, so that they are one batch. */
    append: (appends: readonly Append[]) => Promise.all(appends.map(groupCommit.append)),
    end: async (): Promise<void> => {
      await groupCommit.drain();
      await own.close(1_000);
    },
  };
}

const streamsOf = async (run: string) => {
  const rows = await sql<{ id: string; version: number }[]>`
    select aggregate_id as id, version::int from varve.streams
      where aggregate_id like ${`${run}%`} order by 1`;
  return [...rows];
};

const keysOf = async (run: string) => {
  const rows = await sql<{ key: string }[]>`
    select key from varve.idempotency where principal = ${run}`;
  return new Set(rows.map(({ key }) => key));
};

test("append answers as its model does when batches, restarts and broken sessions come", async () => {
  let process = startProcess();
  await fc.assert(
    fc.asyncProperty(actions, async (asked) => {
      const run = uuidv7();
      const model = createModel(run, await headOf());
      for (const action of asked) {
        if (action === "restart") {
          await process.end();
          process = startProcess();
        } else if (action === "terminate") {
          await sql`select pg_terminate_backend(pid, 1000) from pg_stat_activity
            where datname = current_database() and application_name = 'process'`;
        } else {
          const appends = model.batchOf(action);
          const answers = await process.append(appends);
          expect(answers.map(plain)).toEqual(appends.map(model.outcomeOf));
        }
      }
      const byId = model.streams().toSorted((left, right) => (left.id < right.id ? -1 : 1));
      expect(await streamsOf(run)).toEqual(byId);
      expect(await keysOf(run)).toEqual(model.keys());
    }),
    { numRuns: 50 },
  );
  await process.end();
  expect(await headOf()).toBeGreaterThan(200);
  expect(await logFaults(sql)).toEqual([]);
}, 60_000);
