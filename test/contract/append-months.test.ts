import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type postgres from "postgres";

import { readAfter, readStream } from "#store/events.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, freshDatabase, type TestDatabase } from "#test/database.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { logFaults } from "#test/support/log-faults.ts";
import { closeNewestMonth, forgetMonth, settleMonth } from "#test/support/months.ts";
import { openSql, openTestPool } from "#test/support/pools.ts";
import { brokenIn } from "#test/support/verified.ts";

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
    await forgetMonth(sql, 0);
    expect((await appendAll(pool, appendTo("made", 0)))[0]?.outcome).toBe("appended");
    expect(await register()).toEqual([
      [0, 1, null],
      [-1, null, null],
      [-2, null, null],
      [-3, null, null],
    ]);
  });

  test("partition is made once when ten appends need it at the same moment", async () => {
    await forgetMonth(sql, 0);
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
    await forgetMonth(sql, 0);
    await appendAll(pool, appendTo("indexed", 0));
    expect(await indexes()).toEqual(before);
    expect(before.length).toBe(3);
  });
});

describe("a closed month", () => {
  /** The first moment of a month from now, as an append answers it. */
  const startOf = async (monthsAhead: number): Promise<string> => {
    const [row] = await sql<{ at: string }[]>`
      select to_char((date_trunc('month', now(), 'UTC') + make_interval(months => ${monthsAhead}))
               at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at`;
    return row?.at ?? "";
  };

  test("event goes to the start of the next month when the clock points into a closed one", async () => {
    await appendAll(pool, appendTo("both", 0, 2));
    await closeNewestMonth(sql);
    const createdAt = await startOf(1);
    expect(await appendAll(pool, appendTo("both", 2), appendTo("new", 0))).toEqual([
      { outcome: "appended", version: 3, position: 3, createdAt },
      { outcome: "appended", version: 1, position: 4, createdAt },
    ]);
    expect(await appendAll(pool, appendTo("new", 1))).toEqual([
      { outcome: "appended", version: 2, position: 5, createdAt },
    ]);
    expect(await register()).toEqual([
      [0, 1, 2],
      [-1, 3, null],
      [-2, null, null],
      [-3, null, null],
    ]);
    const versions = async (id: string) =>
      (await readStream(pool, rangeOf(id))).map(({ version }) => version);
    expect([await versions("both"), await versions("new")]).toEqual([
      [1, 2, 3],
      [1, 2],
    ]);
    const bounds = await sql`
      select aggregate_id as id, first_at < n.start as first_is_old, last_at = n.start as last_is_new
        from varve.streams, (select ${createdAt}::timestamptz as start) n order by 1`;
    expect([...bounds]).toEqual([
      { id: "both", first_is_old: true, last_is_new: true },
      { id: "new", first_is_old: false, last_is_new: true },
    ]);
  });

  test("event goes past every month that is closed or not attached when several are", async () => {
    await appendAll(pool, appendTo("first", 0));
    await closeNewestMonth(sql);
    await sql`update varve.event_partitions set state = 'detached'
      where lower_bound = date_trunc('month', now(), 'UTC') + interval '1 month'`;
    const createdAt = await startOf(2);
    expect(await appendAll(pool, appendTo("second", 0))).toEqual([
      { outcome: "appended", version: 1, position: 2, createdAt },
    ]);
  });

  test("the month after is made when it is missing", async () => {
    await forgetMonth(sql, -1);
    await appendAll(pool, appendTo("first", 0));
    await closeNewestMonth(sql);
    const createdAt = await startOf(1);
    expect(await appendAll(pool, appendTo("second", 0))).toEqual([
      { outcome: "appended", version: 1, position: 2, createdAt },
    ]);
  });

  for (const state of ["detached", "archived", "restoring"]) {
    test(`positions go on when the only month with events is ${state}`, async () => {
      await appendAll(pool, appendTo("apart", 0, 3));
      await closeNewestMonth(sql);
      const [row] = await sql<{ name: string }[]>`
        update varve.event_partitions set state = ${state} where first_position is not null
          returning name`;
      const name = row?.name ?? "";
      await sql`alter table varve.events detach partition varve.${sql(name)}`;
      expect(await appendAll(pool, appendTo("later", 0))).toEqual([
        { outcome: "appended", version: 1, position: 4, createdAt: await startOf(1) },
      ]);
      await sql.unsafe(`alter table varve.events attach partition varve.${name}
        for values from ('${await startOf(0)}') to ('${await startOf(1)}')`);
    });
  }

  test("append is refused when nobody knows the last position", async () => {
    await appendAll(pool, appendTo("known", 0));
    await sql`update varve.event_partitions set state = 'detached' where first_position = 1`;
    expect(appendAll(pool, appendTo("unknown", 0))).rejects.toMatchObject({
      code: "database-refused",
      context: { sqlState: "VA005" },
    });
    await sql`update varve.event_partitions set state = 'attached' where first_position = 1`;
  });
});

describe("a clock that was set", () => {
  test("stream does not end before it begins when the clock is set back within a month", async () => {
    await appendAll(pool, appendTo("back", 0));
    await sql`update varve.streams set first_at = first_at + interval '5 s',
                 last_at = last_at + interval '5 s'`;
    await appendAll(pool, appendTo("back", 1));
    expect(await brokenIn(database.url)).toEqual({});
  });

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
