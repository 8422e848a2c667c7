import { afterEach, beforeEach, expect, test } from "bun:test";

import type { Pool } from "#store/pool.ts";
import { archive, settleThreeMonths, closeArchives, openArchives } from "#test/support/archives.ts";
import { holdOpen } from "#test/support/killed-verbs.ts";
import type { TestStore } from "#test/support/store.ts";
import { until } from "#test/until.ts";

let store: TestStore;
let direct: Pool;
let folder: string;
beforeEach(async () => {
  ({ store, direct, folder } = await openArchives());
});
afterEach(() => closeArchives({ store, direct, folder }));

/** What a read finds that has its snapshot, waits, and looks at the events only then. */
const readLate = (end: string): Promise<unknown> =>
  store.pool
    .query<{ version: number }>(
      {
        name: "late read",
        text: `select e.version
          from (select length(pg_advisory_xact_lock(77)::text) as none offset 0) l
          cross join lateral varve.read_stream(
            'Thing', 'a-1', 1, 99 + l.none, 99, until => ${end}) e`,
      },
      [],
    )
    .then(
      (rows) => rows.map(({ version }) => version),
      (error: { code?: string; context?: { partition?: string } }) => [
        error.code,
        error.context?.partition,
      ],
    );

test("read names the month when it was detached between its snapshot and its events", async () => {
  const { sql, database } = store;
  const [first] = await settleThreeMonths(sql);
  const release = await holdOpen(database.url, "select pg_advisory_xact_lock(77)");
  const reads = Promise.all([readLate("null"), readLate("now()")]);
  await until("both have their snapshot", async () => {
    const rows = await sql`select from pg_locks where locktype = 'advisory' and not granted`;
    return rows.length === 2;
  });
  await archive(direct, first, folder);
  await release();
  expect(await reads).toEqual([
    ["partition-archived", first],
    ["partition-archived", first],
  ]);
});
