import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type postgres from "postgres";

import { readAfter, readStream } from "#store/events.ts";
import type { Pool } from "#store/pool.ts";
import { queries } from "#store/statements.ts";
import { assertNothingLeftOpen, freshDatabase, type TestDatabase } from "#test/database.ts";
import { logFaults } from "#test/support/log-faults.ts";
import { settleMonth } from "#test/support/months.ts";
import { openSql, openTestPool } from "#test/support/pools.ts";
import { traceOf } from "#test/support/trace.ts";

const MONTHS = 12;
const EVENTS_A_MONTH = 1_000;

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
const partitions: string[] = [];
beforeAll(async () => {
  database = await freshDatabase();
  pool = openTestPool(database.url);
  sql = openSql(database.url);
  for (let ago = MONTHS - 1; ago >= 0; ago -= 1) {
    // "wide" is in the months 6 and 5, "narrow" in month 3, the others fill.
    const streams = Array.from({ length: EVENTS_A_MONTH }, (_, n) => `fill-${ago}-${n % 40}`);
    if (ago === 6 || ago === 5) streams.splice(10, 3, "wide", "wide", "wide");
    if (ago === 3) streams.splice(20, 2, "narrow", "narrow");
    partitions.push((await settleMonth(sql, { monthsAgo: ago, streams })).name);
  }
  await sql`analyze varve.events`;
});
afterAll(async () => {
  expect(await logFaults(sql)).toEqual([]);
  await pool.close(1_000);
  await sql.end({ timeout: 1 });
  await assertNothingLeftOpen(database.url);
  await database.drop();
});

const versionsOf = async (
  aggregateId: string,
  range: { fromVersion?: number; toVersion?: number; limit?: number } = {},
) => {
  const whole = { aggregateType: "Thing", aggregateId, fromVersion: 1, toVersion: 99, limit: 100 };
  return (await readStream(pool, { ...whole, ...range })).map(({ version }) => version);
};

const positionsAfter = async (position: number, limit: number) =>
  (await readAfter(pool, position, limit)).map((event) => event.position);

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

const LAST = MONTHS * EVENTS_A_MONTH;

describe("readStream", () => {
  test("stream is whole and ascending when it lies in two partitions", async () => {
    expect(await versionsOf("wide")).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test("stream is cut to the range and the limit when they are given", async () => {
    expect([
      await versionsOf("wide", { fromVersion: 3, toVersion: 5 }),
      await versionsOf("wide", { fromVersion: 2, limit: 3 }),
      await versionsOf("wide", { fromVersion: 7 }),
      await versionsOf("wide", { fromVersion: 4, toVersion: 3 }),
    ]).toEqual([[3, 4, 5], [2, 3, 4], [], []]);
  });

  test("stream is empty when nobody has made it", async () => {
    expect(await versionsOf("nobody's")).toEqual([]);
  });
});

describe("readAfter", () => {
  test("log goes on over the end of a partition when the limit allows", async () => {
    const from = EVENTS_A_MONTH - 3;
    expect(await positionsAfter(from, 6)).toEqual(numbers(from + 1, from + 6));
  });

  test("log is read whole when pages follow each other", async () => {
    const seen: number[] = [];
    for (;;) {
      const page = await positionsAfter(seen.at(-1) ?? 0, 333);
      if (page.length === 0) break;
      seen.push(...page);
    }
    expect(seen).toEqual(numbers(1, LAST));
  });

  test("log is empty when the position is the head or past it", async () => {
    expect([await positionsAfter(LAST, 10), await positionsAfter(LAST + 5, 10)]).toEqual([[], []]);
  });

  test("log has the partition's last event when the position is the one before it", async () => {
    expect(await positionsAfter(EVENTS_A_MONTH - 1, 1)).toEqual([EVENTS_A_MONTH]);
  });

  test("log is cut to the types when they are named", async () => {
    const rows = await sql`select position::int from varve.read_after(0, 5, array['Other'])`;
    expect([...rows]).toEqual([]);
  });

  test("log refuses when the position lies in a partition that is archived", async () => {
    const [first = ""] = partitions;
    await sql`update varve.event_partitions set state = 'archived' where name = ${first}`;
    const code = await readAfter(pool, 0, 10).then(
      () => "read",
      (error: { code: string; context: { partition: string } }) => [
        error.code,
        error.context.partition,
      ],
    );
    const after = await positionsAfter(EVENTS_A_MONTH, 2);
    await sql`update varve.event_partitions set state = 'attached' where name = ${first}`;
    expect(code).toEqual(["partition-archived", first]);
    expect(after).toEqual([EVENTS_A_MONTH + 1, EVENTS_A_MONTH + 2]);
  });
});

const monthAgo = (ago: number): string => partitions[MONTHS - 1 - ago] ?? "";

const steadyTrace = (text: string, parameters: readonly (string | number | boolean | null)[]) =>
  traceOf(sql, "events_2%", { text, parameters, warmed: true });

describe("what a read touches among twelve partitions", () => {
  test("stream is found by its index in the month of its life when it had one", async () => {
    const month = monthAgo(3);
    const trace = await steadyTrace(queries.readStream.text, [
      "Thing",
      "narrow",
      1,
      99,
      100,
      false,
      null,
      null,
    ]);
    expect(trace).toEqual({ locked: [month], indexes: [`${month}_stream`], whole: [] });
  });

  test("stream is found in its two months when it lived over both", async () => {
    const months = [monthAgo(6), monthAgo(5)].toSorted();
    const trace = await steadyTrace(queries.readStream.text, [
      "Thing",
      "wide",
      1,
      99,
      100,
      false,
      null,
      null,
    ]);
    const indexes = months.map((month) => `${month}_stream`);
    expect(trace).toEqual({ locked: months, indexes, whole: [] });
  });

  test("log is read by position in one partition when the page ends there", async () => {
    const month = monthAgo(9);
    const from = 2 * EVENTS_A_MONTH + 50;
    const trace = await steadyTrace(queries.readAfter.text, [from, 20]);
    expect(trace).toEqual({ locked: [month], indexes: [`${month}_position`], whole: [] });
  });

  test("log is read in two partitions when the page goes on over the end", async () => {
    const months = [monthAgo(10), monthAgo(9)];
    const trace = await steadyTrace(queries.readAfter.text, [2 * EVENTS_A_MONTH - 5, 10]);
    const indexes = months.map((month) => `${month}_position`);
    expect(trace).toEqual({ locked: months, indexes, whole: [] });
  });

  test("page of the log is read by position when types are named, the head beside it", async () => {
    const months = [monthAgo(9), monthAgo(0)];
    const from = 2 * EVENTS_A_MONTH + 50;
    for (const types of [null, '["Happened"]']) {
      const trace = await steadyTrace(queries.readLogPage.text, [from, 20, types, 10_000, 1_000]);
      const indexes = months.map((month) => `${month}_position`);
      expect(trace).toEqual({ locked: months, indexes, whole: [] });
    }
  });

  test("search for a rare type ends at its last position when nothing is found", async () => {
    const months = [monthAgo(9), monthAgo(8), monthAgo(0)];
    const parameters = [3 * EVENTS_A_MONTH - 50, 20, '["Never"]', 100, 1_000];
    const trace = await steadyTrace(queries.readLogPage.text, parameters);
    const indexes = months.map((month) => `${month}_position`);
    expect(trace).toEqual({ locked: months, indexes, whole: [] });
  });

  test("page of a stream is found by its index, the head beside it", async () => {
    const [month, newest] = [monthAgo(3), monthAgo(0)];
    const parameters = ["Thing", "narrow", 1, 99, 100, false, null, null, 1_000];
    const trace = await steadyTrace(queries.readStreamPage.text, parameters);
    const indexes = [`${month}_stream`, `${newest}_position`];
    expect(trace).toEqual({ locked: [month, newest], indexes, whole: [] });
  });

  test("head is one step in the newest partition when it is asked for", async () => {
    const month = monthAgo(0);
    const trace = await steadyTrace("select * from varve.log_head()", []);
    expect(trace).toEqual({ locked: [month], indexes: [`${month}_position`], whole: [] });
  });
});
