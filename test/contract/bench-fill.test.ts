import { afterAll, beforeAll, expect, test } from "bun:test";
import type postgres from "postgres";

import { fillLog } from "#ops/bench/fill.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, freshDatabase, type TestDatabase } from "#test/database.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { logFaults } from "#test/support/log-faults.ts";
import { openSql, openTestPool } from "#test/support/pools.ts";

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
const heard: number[] = [];
const fill = {
  months: 4,
  events: 1_000,
  eventsPerStream: 3,
  payloadSize: 20,
  streams: [
    { id: "wide", events: 50, oldest: 3, newest: 0 },
    { id: "narrow", events: 7, oldest: 2, newest: 2 },
  ],
};

beforeAll(async () => {
  database = await freshDatabase();
  pool = openTestPool(database.url);
  sql = openSql(database.url);
  await fillLog(database.url, fill, (events) => heard.push(events));
});
afterAll(async () => {
  await pool.close(1_000);
  await sql.end({ timeout: 1 });
  await assertNothingLeftOpen(database.url);
  await database.drop();
});

test("filled log breaks no rule when months were filled one after the other", async () => {
  expect(await logFaults(sql)).toEqual([]);
  expect(heard).toEqual([262, 532, 794, 1_057]);
  const streams = await sql<{ id: string; version: number; months: number }[]>`
    select e.aggregate_id as id, max(e.version)::int as version,
           count(distinct e.tableoid)::int as months
      from varve.events e where e.aggregate_id in ('wide', 'narrow') group by 1 order by 1`;
  expect([...streams]).toEqual([
    { id: "narrow", version: 7, months: 1 },
    { id: "wide", version: 50, months: 4 },
  ]);
  const [ordinary] = await sql`
    select count(*)::int as streams, max(version)::int as longest from varve.streams
     where aggregate_id not in ('wide', 'narrow')`;
  expect({ ...ordinary }).toEqual({ streams: 336, longest: 3 });
});

test("filled log goes on without a gap when somebody appends to it", async () => {
  const outcomes = await appendAll(pool, appendTo("after", 0, 2));
  expect(outcomes).toEqual([
    { outcome: "appended", version: 2, position: 1_058, createdAt: expect.any(String) },
  ]);
  expect(await logFaults(sql)).toEqual([]);
});

test("log stays as it is when it is filled a second time", async () => {
  const [before] = await sql`select count(*)::int as events from varve.events`;
  const again = fillLog(database.url, fill, () => undefined);
  expect(await again.catch(String)).toBe("Defect: a log that is filled was empty before");
  const [after] = await sql`select count(*)::int as events from varve.events`;
  expect(after).toEqual(before);
});
