import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type postgres from "postgres";

import { archivePartition, type Keeper } from "#store/partitions/archive.ts";
import { withPartitionLease, type Partition } from "#store/partitions/register.ts";
import { restorePartition } from "#store/partitions/restore.ts";
import { tablePoolOptions } from "#store/partitions/tables.ts";
import { openPool, type Pool } from "#store/pool.ts";

import { settleMonth } from "./months.ts";
import { closeStore, openStore, type TestStore } from "./store.ts";

/** A folder for archives of one test. */
export const archiveFolder = (): string => mkdtempSync(join(tmpdir(), "varve-archive-"));

/** A pool as `varve partitions` has one. To be closed by the caller. */
export const openTables = (url: string): Pool => openPool(tablePoolOptions({ url, ssl: false }));

/** A store with what archiving needs: the owner's pool and a folder. */
export type TestArchives = {
  readonly store: TestStore;
  readonly direct: Pool;
  readonly folder: string;
};

export async function openArchives(): Promise<TestArchives> {
  const store = await openStore();
  return { store, direct: openTables(store.database.url), folder: archiveFolder() };
}

export async function closeArchives({ store, direct, folder }: TestArchives): Promise<void> {
  await direct.close(1_000);
  await closeStore(store);
  rmSync(folder, { recursive: true, force: true });
}

/** Numbers past 2^53, kept zeros, names out of order, text that JSON must escape. */
const awkward = `{"z": 1, "aa": 9007199254740993.10, "text": "line\\nend \\u2028 \\"quoted\\" 🦕 é",
  "deep": {"b": [1.10, -0.0, 1e-7, 123456789012345678901234567890, null, true, {}]}, "": ""}`;

/**
 * Three months of a log: two closed ones, the first with what is hard to keep, and this one. Answers
 * with the names of the closed ones.
 */
export async function settleThreeMonths(
  sql: postgres.Sql,
  events = 25,
): Promise<readonly [string, string]> {
  const streams = (month: string): readonly string[] =>
    Array.from({ length: events }, (_, index) => `${month}-${index % 7}`);
  const first = await settleMonth(sql, { monthsAgo: 3, streams: streams("a") });
  const second = await settleMonth(sql, { monthsAgo: 2, streams: [...streams("a"), "b"] });
  await settleMonth(sql, { monthsAgo: 0, streams: ["c"] });
  await sql`
    update varve.events set payload = ${awkward}::text::jsonb,
        metadata = '{"big": 18446744073709551616}',
        created_at = created_at + interval '1 microsecond',
        "timestamp" = '0999-12-31 23:59:59.000001+00',
        subject_keys = array[gen_random_uuid(), gen_random_uuid()]
      where position % 3 = 1`;
  await sql`
    insert into varve.subject_keys (key_id, subject_hash, status, wrapped, kek_id, shredded_at)
      select k.key_id, sha256(k.key_id::text::bytea), 'shredded', null, 'k', now()
        from varve.events e cross join unnest(e.subject_keys) k (key_id)`;
  return [first.name, second.name];
}

/** Every row of the log as the database writes it, in order. */
export async function allRows(sql: postgres.Sql): Promise<string[]> {
  const rows = await sql<{ row: string }[]>`
    select e::text as row from varve.events e order by position`;
  return rows.map(({ row }) => row);
}

/** Archives as the only one at work. */
export const archive = (
  direct: Pool,
  name: string,
  directory: string,
  more: Partial<Keeper> = {},
): Promise<Partition> =>
  withPartitionLease(direct, (owner) =>
    archivePartition({ owner, direct, waitMs: 5_000, eventsPerFile: 10, ...more }, name, directory),
  );

/** Restores as the only one at work. */
export const restore = (
  direct: Pool,
  name: string,
  directory?: string,
  more: Partial<Keeper> = {},
): Promise<Partition> =>
  withPartitionLease(direct, (owner) =>
    restorePartition({ owner, direct, waitMs: 5_000, ...more }, name, directory),
  );
