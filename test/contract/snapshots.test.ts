import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type postgres from "postgres";

import type { Pool } from "#store/pool.ts";
import {
  dropSnapshots,
  listSnapshots,
  listUnsnapshotted,
  type NewSnapshot,
  readLoadStart,
  saveSnapshot,
} from "#store/snapshots.ts";
import { queries } from "#store/statements.ts";
import { assertNothingLeftOpen, type TestDatabase } from "#test/database.ts";
import { settleMonth } from "#test/support/months.ts";
import { openSql } from "#test/support/pools.ts";
import { closeStore, openStore } from "#test/support/store.ts";
import { traceOf } from "#test/support/trace.ts";
import { until } from "#test/until.ts";

const MONTHS = 12;
/** Events of "wide" a month; the others fill. */
const WIDE = 5;

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
const partitions: string[] = [];
beforeAll(async () => {
  ({ database, pool, sql } = await openStore());
  for (let ago = MONTHS - 1; ago >= 0; ago -= 1) {
    const streams = Array.from({ length: 200 }, (_, n) => (n < WIDE ? "wide" : `fill-${n % 40}`));
    partitions.push((await settleMonth(sql, { monthsAgo: ago, streams })).name);
  }
  await sql`analyze varve.events`;
});
afterEach(async () => {
  await sql`delete from varve.snapshots`;
  await assertNothingLeftOpen(database.url);
});
afterAll(() => closeStore({ database, pool, sql }));

const keyId = "0198c0de-0000-7000-8000-000000000001";

/** A snapshot of "wide" at a version, as an honest program takes it. */
async function honest(version: number, changed: Partial<NewSnapshot> = {}): Promise<NewSnapshot> {
  const [event] = await sql<{ position: number; at: string }[]>`
    select position::int, to_char(created_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at
      from varve.events where aggregate_id = 'wide' and version = ${version}`;
  return {
    aggregateType: "Thing",
    aggregateId: "wide",
    version,
    position: event?.position ?? 1,
    createdAt: event?.at ?? "2026-01-01T00:00:00.000000Z",
    schemaVersion: 1,
    state: JSON.stringify({ value: version }),
    subjectKeys: [keyId],
    ...changed,
  };
}

const save = async (version: number, changed: Partial<NewSnapshot> = {}): Promise<boolean> =>
  saveSnapshot(pool, await honest(version, changed));

const held = async () => [
  ...(await sql<{ version: number; schema: number; state: unknown }[]>`
    select version::int, schema_version as schema, state from varve.snapshots order by version`),
];

const at = (version: number, schema = 1) => ({ version, schema, state: { value: version } });

describe("save_snapshot", () => {
  test("snapshot is kept whole when it is the stream's first", async () => {
    const snapshot = await honest(7);
    expect(await saveSnapshot(pool, snapshot)).toBe(true);
    const { state, ...rest } = snapshot;
    const [row] = await sql<Record<string, unknown>[]>`
      select aggregate_type as "aggregateType", aggregate_id as "aggregateId",
             version::int, position::int, schema_version as "schemaVersion", state,
             subject_keys as "subjectKeys",
             to_char(created_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "createdAt"
        from varve.snapshots`;
    expect({ ...row }).toEqual({ ...rest, state: JSON.parse(state) as unknown });
  });

  test("snapshot gives way to a newer one, and never to an older one or itself", async () => {
    expect([await save(5), await save(7), await save(6), await save(7)]).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(await held()).toEqual([at(7)]);
  });

  test("snapshot gives way when another schema has the same version, not an older one", async () => {
    expect([
      await save(7),
      await save(7, { schemaVersion: 2 }),
      await save(7, { schemaVersion: 1 }),
      await save(6, { schemaVersion: 9 }),
    ]).toEqual([true, true, true, false]);
    expect(await held()).toEqual([at(7, 1)]);
  });

  test("snapshot gives way to any other when it is ahead of its stream", async () => {
    await save(7);
    await sql`update varve.snapshots set version = ${MONTHS * WIDE + 1}`;
    expect(await save(3)).toBe(true);
    expect(await held()).toEqual([at(3)]);
  });

  test("snapshot is refused when there is no such stream, or it is not there yet", async () => {
    const end = MONTHS * WIDE;
    expect([
      await save(1, { aggregateId: "nobody's" }),
      await save(end + 1),
      await save(end),
    ]).toEqual([false, false, true]);
    expect(await held()).toEqual([at(end)]);
  });

  test("newest snapshot is left when twenty are saved at the same moment", async () => {
    const versions = Array.from({ length: 20 }, (_, n) => ((n * 7) % 20) + 1);
    const snapshots = await Promise.all(versions.map((version) => honest(version)));
    const saved = await Promise.all(snapshots.map((snapshot) => saveSnapshot(pool, snapshot)));
    expect(saved).toContain(true);
    expect(await held()).toEqual([at(20)]);
  });

  test("newer snapshot stays when the older one's saver waited for it", async () => {
    await save(1);
    const end = MONTHS * WIDE;
    const rival = openSql(database.url);
    const older = await honest(2);
    let saved: Promise<boolean> | undefined;
    await rival.begin(async (tx) => {
      await tx`select from varve.snapshots for update`;
      saved = saveSnapshot(pool, older);
      await until("the saver waits", async () => {
        const rows = await sql`select from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'`;
        return rows.length > 0;
      });
      // Meanwhile the stream has grown, and so has its snapshot.
      await tx`update varve.streams set version = ${end + 9} where aggregate_id = 'wide'`;
      await tx`update varve.snapshots set version = ${end + 5}`;
    });
    const outcome = await saved;
    const left = await held();
    await sql`update varve.streams set version = ${end} where aggregate_id = 'wide'`;
    await rival.end({ timeout: 1 });
    expect([outcome, left]).toEqual([false, [{ ...at(1), version: end + 5 }]]);
  });
});

describe("what a load begins with", () => {
  const load = (schemaVersion: number | null, limit = 100) =>
    readLoadStart(pool, { aggregateType: "Thing", aggregateId: "wide", schemaVersion, limit });
  const END = MONTHS * WIDE;
  const range = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, index) => from + index);
  const shape = ({ streamVersion, snapshot, events }: Awaited<ReturnType<typeof load>>) => ({
    streamVersion,
    snapshot: snapshot && [snapshot.version, snapshot.schemaVersion, snapshot.state],
    versions: events.map(({ version }) => version),
  });

  test("events follow the snapshot when it is of the schema", async () => {
    await save(END - 3);
    expect(shape(await load(1))).toEqual({
      streamVersion: END,
      snapshot: [END - 3, 1, { value: END - 3 }],
      versions: [END - 2, END - 1, END],
    });
  });

  test("events are none when the snapshot is of the last one", async () => {
    await save(END);
    const snapshot = [END, 1, { value: END }];
    expect(shape(await load(1))).toEqual({ streamVersion: END, snapshot, versions: [] });
  });

  test("events begin with the first when the snapshot is of another schema", async () => {
    await save(END);
    const snapshot = [END, 1, null];
    expect(shape(await load(2))).toEqual({ streamVersion: END, snapshot, versions: range(1, END) });
  });

  test("events begin with the first when the snapshot is ahead of its stream", async () => {
    await save(END);
    await sql`update varve.snapshots set version = ${END + 1}`;
    const snapshot = [END + 1, 1, null];
    expect(shape(await load(1))).toEqual({ streamVersion: END, snapshot, versions: range(1, END) });
  });

  test("events begin with the first when no snapshot is wanted", async () => {
    await save(END);
    const whole = { streamVersion: END, snapshot: undefined, versions: range(1, END) };
    expect(shape(await load(null))).toEqual(whole);
  });

  test("nothing is found when there is no stream, and a page when there are more", async () => {
    const none = { aggregateType: "Thing", aggregateId: "nobody's", schemaVersion: 1, limit: 9 };
    expect(await readLoadStart(pool, none)).toEqual({ streamVersion: 0, events: [] });
    expect(shape(await load(1, 2)).versions).toEqual([1, 2]);
  });

  test("state stands in the first row alone when events follow", async () => {
    await save(END - 3);
    const rows = await sql.unsafe(queries.loadAggregate.text, ["Thing", "wide", 1, 100]);
    expect(rows.map(({ state }) => state as unknown)).toEqual([{ value: END - 3 }, null, null]);
  });

  test("load touches the snapshot's month and those after it when there are twelve", async () => {
    await save(END - WIDE - 1);
    const trace = (schemaVersion: number) => {
      const parameters = ["Thing", "wide", schemaVersion, 100];
      const { text } = queries.loadAggregate;
      return traceOf(sql, "events_2%", { text, parameters, warmed: true });
    };
    const touched = (months: readonly string[]) => ({
      locked: months,
      indexes: months.map((month) => `${month}_stream`),
      whole: [],
    });
    expect(await trace(1)).toEqual(touched(partitions.slice(-2).toSorted()));
    // The control: without a snapshot it is all of them.
    expect(await trace(2)).toEqual(touched(partitions.toSorted()));
  });

  test("load is too cheap to be compiled by the server when it is planned", async () => {
    const [row] = await sql.unsafe<{ "QUERY PLAN": [{ Plan: { "Total Cost": number } }] }[]>(
      `explain (format json) ${queries.loadAggregate.text}`,
      ["Thing", "wide", 1, 100],
    );
    const [{ limit } = { limit: 0 }] = await sql<{ limit: number }[]>`
      select current_setting('jit_above_cost')::float as limit`;
    expect(row?.["QUERY PLAN"][0].Plan["Total Cost"]).toBeLessThan(limit / 10);
  });

  test("load finds stream and snapshot by their keys when the tables have grown since", async () => {
    const own = openSql(database.url);
    const load = () =>
      own.unsafe(queries.loadAggregate.text, ["Thing", "grown-1", 1, 10], {
        prepare: true,
      });
    await own`analyze varve.streams, varve.snapshots`;
    for (let count = 0; count < 7; count += 1) await load();
    await own`insert into varve.streams
      select 'Thing', 'grown-' || n, 1, now(), now() from generate_series(1, 5000) n`;
    const trace = await traceOf(own, "s%s", {
      text: queries.loadAggregate.text,
      parameters: ["Thing", "grown-1", 1, 10],
    });
    await own`delete from varve.streams where aggregate_id like 'grown-%'`;
    await own.end({ timeout: 1 });
    expect(trace.whole).toEqual([]);
  });
});

describe("snapshots of all streams", () => {
  test("streams are listed by pages when many events follow their snapshot", async () => {
    await save(50);
    const lacking = (over: number, afterId: string, limit: number, schemaVersion = 1) =>
      listUnsnapshotted(pool, { aggregateType: "Thing", schemaVersion, over, afterId, limit });
    const fill = await lacking(51, "", 2);
    expect([
      await lacking(10, "v", 9),
      await lacking(11, "v", 9),
      await lacking(11, "v", 9, 2),
      fill,
      await lacking(51, fill.at(-1) ?? "", 1),
    ]).toEqual([["wide"], [], ["wide"], ["fill-10", "fill-11"], ["fill-12"]]);
  });

  test("snapshots are counted by schema and dropped in batches when an operator asks", async () => {
    await save(3);
    await save(3, { aggregateId: "fill-10" });
    await save(3, { aggregateId: "fill-11", schemaVersion: 2 });
    const counts = (await listSnapshots(pool)).map(({ bytes, oldest, newest, ...rest }) => {
      expect([bytes > 0, oldest <= newest]).toEqual([true, true]);
      return rest;
    });
    expect(counts).toEqual([
      { aggregateType: "Thing", schemaVersion: 1, snapshots: 2 },
      { aggregateType: "Thing", schemaVersion: 2, snapshots: 1 },
    ]);
    expect([
      await dropSnapshots(pool, "Other", { limit: 9 }),
      await dropSnapshots(pool, "Thing", { ids: ["wide", "nobody's"], limit: 9 }),
      await dropSnapshots(pool, "Thing", { limit: 1 }),
      await dropSnapshots(pool, "Thing", { limit: 9 }),
    ]).toEqual([0, 1, 1, 1]);
  });
});
