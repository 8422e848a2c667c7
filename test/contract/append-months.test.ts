import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type postgres from "postgres";

import { readAfter, readStream } from "#store/events.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, freshDatabase, type TestDatabase } from "#test/database.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { logFaults } from "#test/support/log-faults.ts";
import { settleMonth } from "#test/support/months.ts";
import { openSql, openTestPool } from "#test/support/pools.ts";

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
beforeEach(async () => {
  database = await freshDatabase();
  pool = openTestPool(database.url);
  sql = openSql(database.url);
});
afterEach(async () => {
  expect(await logFaults(sql)).toEqual([]);
  await assertNothingLeftOpen(database.url);
  await pool.close(1_000);
  await sql.end({ timeout: 1 });
  await database.drop();
});

const register = async () => {
  const rows = await sql<{ ago: number; first: number | null; last: number | null }[]>`
    select (12 * (extract(year from now() at time zone 'UTC') - extract(year from at)) +
            extract(month from now() at time zone 'UTC') - extract(month from at))::int as ago,
           first_position::int as first, last_position::int as last
      from (select *, lower_bound at time zone 'UTC' as at from varve.event_partitions) p
     order by lower_bound`;
  return rows.map(({ ago, first, last }) => [ago, first, last]);
};

const rangeOf = (aggregateId: string) => ({
  aggregateType: "Thing",
  aggregateId,
  fromVersion: 1,
  toVersion: 1_000,
  limit: 1_000,
});

/** Takes a month's partition away, as if it had never been made. */
async function forgetMonth(monthsAgo: number): Promise<void> {
  const [row] = await sql<{ name: string }[]>`
    delete from varve.event_partitions
      where lower_bound = date_trunc('month', now(), 'UTC') - make_interval(months => ${monthsAgo})
      returning name`;
  await sql`drop table varve.${sql(row?.name ?? "")}`;
}

describe("a new month", () => {
  test("register closes the month before when the first event of this one comes", async () => {
    await settleMonth(sql, { monthsAgo: 1, streams: ["old", "old", "both"] });
    expect(await register()).toEqual([
      [1, 1, null],
      [0, null, null],
      [-1, null, null],
      [-2, null, null],
      [-3, null, null],
    ]);
    await appendAll(pool, appendTo("both", 1, 2));
    await appendAll(pool, appendTo("new", 0, 2));
    expect(await register()).toEqual([
      [1, 1, 3],
      [0, 4, null],
      [-1, null, null],
      [-2, null, null],
      [-3, null, null],
    ]);
    const versions = (await readStream(pool, rangeOf("both"))).map(({ version }) => version);
    expect(versions).toEqual([1, 2, 3]);
  });

  test("register skips the months without an event when the log was silent", async () => {
    await settleMonth(sql, { monthsAgo: 3, streams: ["old"] });
    await sql`select varve.ensure_partitions(now() - interval '2 months', 0)`;
    await appendAll(pool, appendTo("new", 0));
    expect(await register()).toEqual([
      [3, 1, 1],
      [2, null, null],
      [0, 2, null],
      [-1, null, null],
      [-2, null, null],
      [-3, null, null],
    ]);
    expect((await readAfter(pool, 0, 10)).map(({ position }) => position)).toEqual([1, 2]);
  });

  test("append makes the month's partition when it is missing", async () => {
    await forgetMonth(0);
    expect((await appendAll(pool, appendTo("made", 0)))[0]?.outcome).toBe("appended");
    expect(await register()).toEqual([
      [0, 1, null],
      [-1, null, null],
      [-2, null, null],
      [-3, null, null],
    ]);
  });

  test("partition is made once when ten appends need it at the same moment", async () => {
    await forgetMonth(0);
    const pools = Array.from({ length: 10 }, () => openTestPool(database.url, { size: 1 }));
    const answers = await Promise.all(
      pools.map((one, index) => appendAll(one, appendTo(`ten-${index}`, 0))),
    );
    await Promise.all(pools.map((one) => one.close(1_000)));
    expect(answers.map(([answer]) => answer?.outcome)).toEqual(Array(10).fill("appended"));
  });

  test("partition has the indexes of the others when it is made on demand", async () => {
    const indexes = async () => {
      const rows = await sql<{ definition: string }[]>`
        select regexp_replace(indexdef, 'events_\\d{4}_\\d{2}', 'month', 'g') as definition
          from pg_indexes p join varve.event_partitions e on e.name = p.tablename
         where e.lower_bound = date_trunc('month', now(), 'UTC') order by 1`;
      return rows.map(({ definition }) => definition);
    };
    const before = await indexes();
    await forgetMonth(0);
    await appendAll(pool, appendTo("indexed", 0));
    expect(await indexes()).toEqual(before);
    expect(before.length).toBe(3);
  });
});

describe("a clock that was set", () => {
  test("time does not run back when the last event is ahead of the clock", async () => {
    await settleMonth(sql, { monthsAgo: 1, streams: ["both"] });
    await settleMonth(sql, { monthsAgo: -1, streams: ["ahead", "both"] });
    const [first, second] = await appendAll(pool, appendTo("both", 2), appendTo("fresh", 0));
    const [ahead] = await sql<{ at: string }[]>`
      select to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at
        from varve.events where position = 3`;
    expect([first, second]).toEqual([
      { outcome: "appended", version: 3, position: 4, createdAt: ahead?.at ?? "" },
      { outcome: "appended", version: 1, position: 5, createdAt: ahead?.at ?? "" },
    ]);
    const positions = async (id: string) =>
      (await readStream(pool, rangeOf(id))).map(({ position }) => position);
    expect([await positions("both"), await positions("fresh")]).toEqual([[1, 3, 4], [5]]);
  });

  test("repetition is recognised when the first answer came in another month", async () => {
    await settleMonth(sql, { monthsAgo: 1, streams: ["old"] });
    const rows = await sql<{ id: string; at: string }[]>`
      select event_id as id,
             to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at
        from varve.events`;
    await appendAll(pool, appendTo("old", 1));
    const ask = appendTo("old", 0);
    const repeated = {
      ...ask,
      events: ask.events.map((event) => ({ ...event, id: rows[0]?.id ?? "" })),
    };
    expect(await appendAll(pool, repeated)).toEqual([
      { outcome: "already", version: 1, position: 1, createdAt: rows[0]?.at ?? "" },
    ]);
  });
});
