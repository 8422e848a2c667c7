import { afterAll, beforeAll, expect, test } from "bun:test";
import type postgres from "postgres";

import { createGroupCommit } from "#store/group-commit.ts";
import type { Pool } from "#store/pool.ts";
import type { TestDatabase } from "#test/database.ts";
import { appendTo } from "#test/support/appends.ts";
import { logFaults } from "#test/support/log-faults.ts";
import { forgetMonth } from "#test/support/months.ts";
import { openSql } from "#test/support/pools.ts";
import { closeStore, openStore } from "#test/support/store.ts";
import { until } from "#test/until.ts";

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
beforeAll(async () => {
  ({ database, pool, sql } = await openStore());
});
afterAll(() => closeStore({ database, pool, sql }));

/** When the statement was sent that waits to make a partition; nothing where none waits. */
async function waitingSince(): Promise<string | undefined> {
  const [row] = await sql<{ since: string }[]>`
    select query_start::text as since from pg_stat_activity
     where datname = current_database() and wait_event_type = 'Lock'
       and query like '%varve.ensure_partitions%'`;
  return row?.since;
}

test("append waits for its partition when somebody changes the schema for long", async () => {
  await forgetMonth(sql, 0);
  const holder = openSql(database.url);
  const session = await holder.reserve();
  await session`begin`;
  await session`lock table varve.schema_migrations in exclusive mode`;

  const groupCommit = createGroupCommit(pool);
  const outcomes = Promise.all(
    Array.from({ length: 20 }, (_, n) => groupCommit.append(appendTo(`early-${n}`, 0))),
  );
  const first = await until("an append waits for the schema", waitingSince);
  await until(
    "it waits anew after its lock time-out of two seconds",
    async () => ((await waitingSince()) ?? first) > first,
  );
  await session`rollback`;
  session.release();
  await holder.end({ timeout: 1 });

  const kinds = new Set((await outcomes).map(({ outcome }) => outcome));
  expect(kinds).toEqual(new Set(["appended"]));
  await groupCommit.drain();
  expect(await logFaults(sql)).toEqual([]);
});
