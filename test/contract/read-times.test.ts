import { afterEach, beforeEach, expect, test } from "bun:test";

import { archive, archiveFolder, openTables, settleThreeMonths } from "#test/support/archives.ts";
import { settleMonth } from "#test/support/months.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";

let store: TestStore;
beforeEach(async () => {
  store = await openStore();
});
afterEach(() => closeStore(store));

/** Positions, each with the one whose time it was given. */
const timesAfter = async (...positions: readonly number[]) => {
  const rows = await store.sql<{ position: string; next: string | null; end: string | null }[]>`
    select t.position, e.position as next, p.name as end
      from varve.read_times_after(${[...positions]}) t
      left join varve.events e on e.created_at = t.stored_at
      left join varve.event_partitions p on p.upper_bound = t.stored_at
      order by t.position`;
  return rows.map(({ position, next, end }) => [
    Number(position),
    next === null ? end : Number(next),
  ]);
};

test("each position is given the time of its next event when months follow each other", async () => {
  for (const monthsAgo of [3, 2, 1]) {
    await settleMonth(store.sql, { monthsAgo, streams: ["a", "b", "c"] });
  }
  expect(await timesAfter(0, 2, 3, 4, 8)).toEqual([
    [0, 1],
    [2, 3],
    [3, 4],
    [4, 5],
    [8, 9],
  ]);
  // The head has nothing after it, and nothing was asked for.
  expect([await timesAfter(9), await timesAfter()]).toEqual([[], []]);
});

test("the next month is looked into when the one before was not closed yet", async () => {
  await settleMonth(store.sql, { monthsAgo: 2, streams: ["a", "b", "c"] });
  await settleMonth(store.sql, { monthsAgo: 1, streams: ["a"] });
  await store.sql`update varve.event_partitions set last_position = null`;
  expect(await timesAfter(1, 3)).toEqual([
    [1, 2],
    [3, 4],
  ]);
});

test("the end of the month is told when the next event is archived", async () => {
  const [first] = await settleThreeMonths(store.sql);
  const direct = openTables(store.database.url);
  await archive(direct, first, archiveFolder());
  await direct.close(1_000);
  const [row] = await store.sql<{ last: string }[]>`
    select last_position as last from varve.event_partitions where name = ${first}`;
  const last = Number(row?.last);
  expect(await timesAfter(0, last - 1, last)).toEqual([
    [0, first],
    [last - 1, first],
    [last, last + 1],
  ]);
});
