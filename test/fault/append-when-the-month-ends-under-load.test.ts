import { afterAll, beforeAll, expect, test } from "bun:test";
import type postgres from "postgres";

import { createGroupCommit, type GroupCommit } from "#store/group-commit.ts";
import { readAfter, readStream } from "#store/events.ts";
import type { Pool } from "#store/pool.ts";
import type { TestDatabase } from "#test/database.ts";
import { appendTo } from "#test/support/appends.ts";
import { logFaults } from "#test/support/log-faults.ts";
import { closeNewestMonth, forgetMonth, settleMonth } from "#test/support/months.ts";
import { openTestPool } from "#test/support/pools.ts";
import { closeStore, openStore } from "#test/support/store.ts";
import { until } from "#test/until.ts";

const WRITERS = 32;
const APPENDS_A_MONTH = 400;

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
beforeAll(async () => {
  ({ database, pool, sql } = await openStore());
});
afterAll(() => closeStore({ database, pool, sql }));

/** Writers, each with a stream of its own and all with a common one, until they are stopped. */
function startWriters(instances: readonly GroupCommit[]) {
  const versions = new Map<string, number>();
  let appends = 0;
  let stopping = false;
  const write = async (writer: number): Promise<void> => {
    const { append } = instances[writer % instances.length] as GroupCommit;
    for (let turn = 0; !stopping; turn += 1) {
      const own = `own-${writer}`;
      const stream = turn % 4 === 0 ? "common" : own;
      const version = versions.get(own) ?? 0;
      const outcome = await append(appendTo(stream, stream === own ? version : null));
      if (outcome.outcome !== "appended") throw new Error(`${stream}: ${outcome.outcome}`);
      if (stream === own) versions.set(own, version + 1);
      appends += 1;
    }
  };
  const all = Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
  return {
    versions,
    appends: () => appends,
    stop: async (): Promise<void> => {
      stopping = true;
      await all;
    },
  };
}

/** Follows the log from its start while it grows; answers the positions that it saw. */
function startReader(from: Pool) {
  const seen: number[] = [];
  let stopping = false;
  const read = async (): Promise<void> => {
    for (;;) {
      const page = await readAfter(from, seen.at(-1) ?? 0, 500);
      seen.push(...page.map(({ position }) => position));
      if (stopping && page.length === 0) return;
    }
  };
  const all = read();
  return async (): Promise<readonly number[]> => {
    stopping = true;
    await all;
    return seen;
  };
}

const register = async () => {
  const rows = await sql<{ ahead: number; first: number | null; last: number | null }[]>`
    select (12 * (extract(year from lower_bound at time zone 'UTC') - extract(year from now() at time zone 'UTC')) +
            extract(month from lower_bound at time zone 'UTC') - extract(month from now() at time zone 'UTC'))::int as ahead,
           first_position::int as first, last_position::int as last
      from varve.event_partitions order by lower_bound`;
  return rows.map(({ ahead, first, last }) => [ahead, first !== null, last !== null]);
};

test("log is dense, ordered and whole when months end three times under 32 writers", async () => {
  await settleMonth(sql, { monthsAgo: 1, streams: ["old", "common", "own-3"] });
  await forgetMonth(sql, -2);
  const pools = [openTestPool(database.url), openTestPool(database.url)];
  const instances = pools.map((one) => createGroupCommit(one));
  const stopReading = startReader(pool);
  // The first of them come into the month that has no event yet, all at once.
  const writers = startWriters(instances);
  writers.versions.set("own-3", 1);
  const grown = async (): Promise<void> => {
    const before = writers.appends();
    await until("the log grows", () => writers.appends() > before + APPENDS_A_MONTH, 10_000);
  };
  await grown();
  // Into a month that is there, then into one that has to be made.
  await closeNewestMonth(sql);
  await grown();
  await closeNewestMonth(sql);
  await grown();
  await writers.stop();
  await Promise.all(instances.map((one) => one.drain()));
  await Promise.all(pools.map((one) => one.close(1_000)));

  const count = 3 + writers.appends();
  expect(await stopReading()).toEqual(Array.from({ length: count }, (_, index) => index + 1));
  expect(await register()).toEqual([
    [-1, true, true],
    [0, true, true],
    [1, true, true],
    [2, true, false],
    [3, false, false],
  ]);
  expect(await logFaults(sql)).toEqual([]);
  for (const [aggregateId, version] of writers.versions) {
    const range = { aggregateType: "Thing", aggregateId, fromVersion: 1, toVersion: 1e6 };
    const events = await readStream(pool, { ...range, limit: 1_000 });
    expect(events.map((event) => event.version)).toEqual(
      Array.from({ length: version }, (_, index) => index + 1),
    );
  }
  expect(count).toBeGreaterThan(3 * APPENDS_A_MONTH);
}, 40_000);
