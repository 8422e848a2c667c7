import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type postgres from "postgres";

import type { Pool } from "#store/pool.ts";
import { queries } from "#store/statements.ts";
import type { TestDatabase } from "#test/database.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { settleMonth } from "#test/support/months.ts";
import { closeStore, openStore } from "#test/support/store.ts";
import { type Trace, traceOf } from "#test/support/trace.ts";

/** As many live partitions as a log of five years has. */
const MONTHS = 60;
const EVENTS_A_MONTH = 500;
const KEYS = 20_000;

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
const partitions: string[] = [];
beforeAll(async () => {
  ({ database, pool, sql } = await openStore());
  for (let ago = MONTHS - 1; ago >= 0; ago -= 1) {
    // "wide" is in the months 40 and 39, "narrow" in month 20, "keyed" in 30 and 0.
    const streams = Array.from({ length: EVENTS_A_MONTH }, (_, n) => `fill-${ago}-${n % 40}`);
    if (ago === 40 || ago === 39) streams.splice(10, 3, "wide", "wide", "wide");
    if (ago === 20) streams.splice(20, 2, "narrow", "narrow");
    if (ago === 30 || ago === 0) streams.splice(20, 2, "keyed", "keyed");
    partitions.push((await settleMonth(sql, { monthsAgo: ago, streams })).name);
  }
  await sql`
    insert into varve.idempotency (principal, key, fingerprint, aggregate_type, aggregate_id,
        from_version, to_version, created_at)
      select 'key:a', n::text, 'f', 'Thing', 'keyed', 3, 4, now() - n * interval '1 second'
        from generate_series(1, ${KEYS}::int) n`;
  await sql`analyze`;
}, 60_000);
afterAll(() => closeStore({ database, pool, sql }));

const monthAgo = (ago: number): string => partitions[MONTHS - 1 - ago] ?? "";

type Parameters = readonly (string | number | boolean | null)[];

/** What a statement touches of the events once its session has gone over to a cached plan. */
const touched = (text: string, parameters: Parameters): Promise<Trace> =>
  traceOf(sql, "events_2%", { text, parameters, warmed: true });

/** The partitions alone, each by that index of it. */
const only = (index: "position" | "stream" | "event_id", ...months: readonly string[]): Trace => ({
  locked: months,
  indexes: months.map((month) => `${month}_${index}`),
  whole: [],
});

/** Sends a batch once: a second time it would be another question. */
const appended = (appends: readonly object[]): Promise<Trace> =>
  traceOf(sql, "events_2%", {
    text: queries.appendEvents.text,
    parameters: [JSON.stringify(appends), new Date().toISOString()],
  });

/** The session that is traced has planned each of these before, as a session of the service has. */
const warmAppends = async (): Promise<void> => {
  for (let count = 0; count < 6; count += 1) {
    const batch = [appendTo(`warm-${count}`, 0), appendTo("warm", null), appendTo("fill-3-1", 0)];
    await appended(batch);
  }
};

describe("what a read touches among sixty partitions", () => {
  const stream = (id: string): Parameters => ["Thing", id, 1, 99, 100, false, null, null];

  test("stream is found by its index in the month of its life when it had one", async () => {
    const trace = await touched(queries.readStream.text, stream("narrow"));
    expect(trace).toEqual(only("stream", monthAgo(20)));
  });

  test("stream is found in its two months when it lived over both", async () => {
    const trace = await touched(queries.readStream.text, stream("wide"));
    expect(trace).toEqual(only("stream", monthAgo(40), monthAgo(39)));
  });

  test("stream is found in the months that are left when a moment bounds it", async () => {
    const [old, young] = [monthAgo(40), monthAgo(39)];
    const [row] = await sql<{ since: string }[]>`
      select lower_bound::text as since from varve.event_partitions where name = ${young}`;
    const since = row?.since ?? "";
    expect([
      await touched(queries.readStream.text, ["Thing", "wide", 4, 99, 100, false, since, null]),
      await touched(queries.readStream.text, ["Thing", "wide", 1, 3, 100, false, null, since]),
    ]).toMatchObject([only("stream", young), { locked: [old, young], whole: [] }]);
  });

  test("log is read by position in one partition when the page ends there", async () => {
    const from = 25 * EVENTS_A_MONTH + 50;
    const trace = await touched("select * from varve.read_after($1, $2)", [from, 20]);
    expect(trace).toEqual(only("position", monthAgo(34)));
  });

  test("log is read in two partitions when the page goes on over the end", async () => {
    const from = 25 * EVENTS_A_MONTH - 5;
    const trace = await touched("select * from varve.read_after($1, $2)", [from, 10]);
    expect(trace).toEqual(only("position", monthAgo(35), monthAgo(34)));
  });

  test("ages of what lags are found by position in the month of each when many are asked for", async () => {
    const from = 25 * EVENTS_A_MONTH + 50;
    const positions = Array.from({ length: 100 }, (_, n) => from + n).join(",");
    const trace = await touched("select * from varve.read_times_after($1::text::bigint[])", [
      `{${positions}}`,
    ]);
    expect(trace).toEqual(only("position", monthAgo(34)));
  });

  test("log is counted by position in the partitions of the stretch alone", async () => {
    const from = 25 * EVENTS_A_MONTH - 5;
    const counted = "select * from varve.count_events($1, $2, array['Happened'], null, 2, 0, 9)";
    const trace = await touched(counted, [from, from + 10]);
    expect(trace).toEqual(only("position", monthAgo(35), monthAgo(34)));
  });

  test("head is one step in the newest partition when it is asked for", async () => {
    const trace = await touched("select * from varve.log_head()", []);
    expect(trace).toEqual(only("position", monthAgo(0)));
  });
});

describe("what an append touches among sixty partitions", () => {
  test("append looks at the newest partition only when nothing is repeated", async () => {
    await warmAppends();
    const trace = await appended([appendTo("new", 0), appendTo("fresh", null, 3)]);
    expect(trace).toEqual(only("position", monthAgo(0)));
  });

  test("append looks at the newest partition only when its stream is older", async () => {
    const trace = await appended([appendTo("narrow", 2)]);
    expect(trace).toEqual(only("position", monthAgo(0)));
  });

  test("append of any version looks for its ids in the months of its stream alone", async () => {
    const [, old] = [
      await appended([appendTo("recent", 0)]),
      await appended([appendTo("recent", null)]),
    ];
    const month = monthAgo(0);
    expect({ ...old, indexes: [] }).toEqual({ locked: [month], indexes: [], whole: [] });
    const found = old.indexes.filter((index) => index !== `${month}_position`);
    expect(["event_id", "stream"].map((index) => `${month}_${index}`)).toContain(found[0] ?? "");
    expect(found.length).toBe(1);
  });

  test("repetition looks at the months of its stream alone when it is recognised", async () => {
    const rows = await sql<{ id: string }[]>`
      select event_id as id from varve.events where aggregate_id = 'wide' order by version`;
    const { events, ...ask } = appendTo("wide", 0, 2);
    const repeated = events.map((event, index) => ({ ...event, id: rows[index]?.id ?? "" }));
    const trace = await appended([{ ...ask, events: repeated }]);
    expect(trace).toEqual(only("stream", monthAgo(40), monthAgo(39)));
  });

  test("conflict looks for a repetition in the months of its stream alone", async () => {
    const trace = await appended([appendTo("wide", 1)]);
    expect(trace).toEqual(only("stream", monthAgo(40), monthAgo(39)));
  });
});

describe("what a key touches among twenty thousand", () => {
  const keysTouched = (text: string, parameters: Parameters): Promise<Trace> =>
    traceOf(sql, "idempotency%", { text, parameters, warmed: true });
  const byKey = { locked: ["idempotency"], indexes: ["idempotency_pkey"], whole: [] };

  test("key is found by its index, and its events in the months since it came", async () => {
    const call = [queries.findIdempotentResult.text, ["key:a", "77"]] as const;
    const [row] = await sql.unsafe(call[0], [...call[1]]);
    expect(row).toMatchObject({ version: "4", events: [{ version: 3 }, { version: 4 }] });
    expect(await keysTouched(...call)).toEqual(byKey);
    const { locked, indexes, whole } = await touched(...call);
    const months = [monthAgo(1), monthAgo(0)];
    // Two months on the first day of one.
    expect([locked, indexes.length, whole]).toEqual([
      months.filter((month) => locked.includes(month)),
      locked.length,
      [],
    ]);
    expect(locked).toContain(monthAgo(0));
  });

  test("append finds and claims keys by their index when it brings known and new ones", async () => {
    const claim = (key: string) => ({ principal: "key:a", key, fingerprint: "f" });
    const batch = [
      { ...appendTo("keyed-new", 0), idempotency: claim("new") },
      { ...appendTo("keyed-known", 0), idempotency: claim("78") },
    ];
    const trace = await traceOf(sql, "idempotency%", {
      text: queries.appendEvents.text,
      parameters: [JSON.stringify(batch), null],
    });
    expect(trace).toEqual(byKey);
  });

  test("oldest keys are found by their age when they expire", async () => {
    const parameters = [(KEYS - 500) * 1_000, 50, null];
    const trace = await keysTouched(queries.expireIdempotency.text, parameters);
    expect(trace).toEqual({
      locked: ["idempotency"],
      indexes: ["idempotency_created_at"],
      whole: [],
    });
  });
});

test("log is read whole by its pages when it has sixty months", async () => {
  const first = await appendAll(pool, appendTo("last", 0));
  const rows = await sql<{ count: number; max: number }[]>`
    select count(*)::int as count, max(position)::int as max
      from varve.read_after(0, ${2 * MONTHS * EVENTS_A_MONTH})`;
  const position = first[0]?.outcome === "appended" ? first[0].position : 0;
  expect([...rows]).toEqual([{ count: position, max: position }]);
});
