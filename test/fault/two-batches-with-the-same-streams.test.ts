import { afterAll, beforeAll, expect, test } from "bun:test";
import type postgres from "postgres";

import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, freshDatabase, type TestDatabase } from "#test/database.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { logFaults } from "#test/support/log-faults.ts";
import { openSql, openTestPool } from "#test/support/pools.ts";

let database: TestDatabase;
let pools: readonly Pool[];
let sql: postgres.Sql;
beforeAll(async () => {
  database = await freshDatabase();
  pools = Array.from({ length: 4 }, () => openTestPool(database.url, { size: 1 }));
  sql = openSql(database.url);
});
afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.close(1_000)));
  await sql.end({ timeout: 1 });
  await assertNothingLeftOpen(database.url);
  await database.drop();
});

const deadlocks = async (): Promise<number> => {
  await sql`select pg_stat_force_next_flush()`;
  const [row] = await sql<{ deadlocks: number }[]>`
    select deadlocks::int from pg_stat_database where datname = current_database()`;
  return row?.deadlocks ?? 0;
};

const names = Array.from({ length: 150 }, (_, n) => `s${n}`);

/** The same streams in another order for each batch. */
const turned = (by: number): readonly string[] => {
  const from = by % names.length;
  const forward = [...names.slice(from), ...names.slice(0, from)];
  return by % 2 === 0 ? forward : forward.toReversed();
};

const ROUNDS = 20;
const APPENDS = 4 * ROUNDS * names.length;

/** In each round every connection sends its batch at the same moment. */
async function rounds(prefix: (round: number) => string): Promise<readonly string[]> {
  const kinds: string[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const answers = await Promise.all(
      pools.map((pool, worker) => {
        const streams = turned(7 * worker + 3 * round);
        const appends = streams.map((name) => appendTo(`${prefix(round)}-${name}`, null));
        return appendAll(pool, ...appends);
      }),
    );
    kinds.push(...answers.flat().map(({ outcome }) => outcome));
  }
  return kinds;
}

test("batches wait for each other and never deadlock when they name existing streams", async () => {
  await appendAll(pools[0] as Pool, ...names.map((name) => appendTo(`same-${name}`, 0)));
  const kinds = await rounds(() => "same");
  expect(kinds.filter((kind) => kind !== "appended")).toEqual([]);
  expect([kinds.length, await deadlocks()]).toEqual([APPENDS, 0]);
  expect(await logFaults(sql)).toEqual([]);
});

test("batches never deadlock when they make the same streams at the same moment", async () => {
  const kinds = await rounds((round) => `new-${round}`);
  expect(kinds.filter((kind) => kind === "appended").length).toBeGreaterThanOrEqual(APPENDS / 4);
  expect([kinds.length, await deadlocks()]).toEqual([APPENDS, 0]);
  expect(await logFaults(sql)).toEqual([]);
});
