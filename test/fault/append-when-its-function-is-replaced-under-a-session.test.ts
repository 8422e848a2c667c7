import { afterAll, beforeAll, expect, test } from "bun:test";
import type postgres from "postgres";

import { functions } from "#store/sql-files.ts";
import type { Pool, Statement } from "#store/pool.ts";
import { queries } from "#store/statements.ts";
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

/** As a program sends it that is older than the application's clock. */
const older: Statement = {
  name: "append_events",
  text: "select a.outcome from varve.append_events($1::text::jsonb) a",
};

test("older program appends on in its session when a newer one replaces the function", async () => {
  const append = (stream: string) =>
    pool.query<{ outcome: string }>(older, [JSON.stringify([appendTo(stream, 0)])]);
  const { text = "" } = functions.find(({ name }) => name === "append_events") ?? {};
  // The older function: one argument, and what it does is no matter here.
  await sql
    .unsafe(
      `drop function varve.append_events(jsonb, timestamptz);
    create function varve.append_events(batch jsonb)
    returns table (append integer, outcome text, version bigint, "position" bigint,
      created_at timestamptz)
    language sql as $$ select 1, 'by the older'::text, 1::bigint, 1::bigint, now() $$`,
    )
    .simple();
  const outcomes = [];
  // Often enough that the session has gone over to a plan of its own for good.
  for (let count = 0; count < 8; count += 1) outcomes.push(...(await append("unstored")));
  await sql.unsafe(text).simple();
  outcomes.push(...(await append("stored")));
  expect(outcomes.map(({ outcome }) => outcome)).toEqual([
    ...Array<string>(8).fill("by the older"),
    "appended",
  ]);
  const batch = JSON.stringify([appendTo("newer", 0)]);
  const [row] = await pool.query(queries.appendEvents, [batch, new Date().toISOString()]);
  expect(row).toMatchObject({ outcome: "appended", position: 2 });
  expect(await logFaults(sql)).toEqual([]);
});
