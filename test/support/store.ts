import type postgres from "postgres";

import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, freshDatabase, type TestDatabase } from "#test/database.ts";

import { openSql, openTestPool } from "./pools.ts";

/** A migrated database of a test file's own, with a pool as the service has one and a way past it. */
export type TestStore = {
  readonly database: TestDatabase;
  readonly pool: Pool;
  readonly sql: postgres.Sql;
};

export async function openStore(): Promise<TestStore> {
  const database = await freshDatabase();
  return { database, pool: openTestPool(database.url), sql: openSql(database.url) };
}

/** Closes both ways in, fails if anything is left open, and drops the database. */
export async function closeStore({ database, pool, sql }: TestStore): Promise<void> {
  await pool.close(1_000);
  await sql.end({ timeout: 1 });
  await assertNothingLeftOpen(database.url);
  await database.drop();
}
