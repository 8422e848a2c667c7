import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type postgres from "postgres";

import { defineView, type View } from "#domain/decider.ts";
import { limits } from "#kernel/limits.ts";
import { uuidv7 } from "#kernel/ids.ts";
import { acquireLeases } from "#store/leases.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, freshDatabase, type TestDatabase } from "#test/database.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { ensureViews, fingerprintOf, startLoop } from "#test/support/loops.ts";
import { openSql, openTestPool } from "#test/support/pools.ts";
import { until } from "#test/until.ts";

/** Counts the events of each stream. */
const countingView = (name: string): View =>
  defineView<{ count: number }, { type: "Happened"; payload: unknown }>({
    name,
    version: 1,
    events: ["Happened"],
    key: (event) => event.aggregateId,
    project: (document) => ({ count: (document?.count ?? 0) + 1 }),
    byKey: true,
  });

const views = [countingView("counts"), countingView("others")];

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
let stops: (() => Promise<void>)[];
beforeEach(async () => {
  database = await freshDatabase();
  pool = openTestPool(database.url);
  sql = openSql(database.url);
  stops = [];
  await ensureViews(pool, views);
});
afterEach(async () => {
  await Promise.all(stops.map((stop) => stop()));
  await pool.close(1_000);
  await sql.end({ timeout: 1 });
  await assertNothingLeftOpen(database.url);
  await database.drop();
});

function start(changed: Partial<Parameters<typeof startLoop>[0]> = {}) {
  const loop = startLoop({ pool, views, ...changed });
  stops.push(loop.stop);
  return loop;
}

const countsOf = async (view = "counts") => {
  const rows = await sql<{ key: string; count: number }[]>`
    select key, (document->>'count')::int as count from varve_views.${sql(view)} order by key`;
  return Object.fromEntries(rows.map(({ key, count }) => [key, count]));
};

const checkpoints = async () => {
  const rows = await sql<{ name: string; position: number; events: number }[]>`
    select subscription as name, position::int, events_processed::int as events
      from varve.checkpoints order by 1`;
  return rows.map(({ name, position, events }) => [name, position, events]);
};

const reached = (position: number) =>
  until(`the views reach ${position}`, async () =>
    (await checkpoints()).every(([, at]) => at === position),
  );

describe("the loop", () => {
  test("every view sees every event once when pages are smaller than the log", async () => {
    await appendAll(pool, appendTo("a", 0, 5), appendTo("b", 0, 2), appendTo("c", 0, 4));
    start({ batchSize: 3 });
    await reached(11);
    await appendAll(pool, appendTo("a", 5, 2));
    await reached(13);
    const counts = { a: 7, b: 2, c: 4 };
    expect([await countsOf(), await countsOf("others")]).toEqual([counts, counts]);
    expect(await checkpoints()).toEqual([
      ["counts", 13, 13],
      ["others", 13, 13],
    ]);
  });

  test("views catch up with each other when one of them is behind", async () => {
    await appendAll(pool, appendTo("a", 0, 6));
    const first = start({ views: views.slice(0, 1) });
    await until("the first is there", async () => (await checkpoints())[0]?.[1] === 6);
    await first.stop();
    await appendAll(pool, appendTo("a", 6, 2));
    start({ batchSize: 4 });
    await reached(8);
    expect([await countsOf(), await countsOf("others")]).toEqual([{ a: 8 }, { a: 8 }]);
  });

  test("loop looks at once when it is woken in the middle of its longest rest", async () => {
    let looks = 0;
    const query: Pool["query"] = (statement, ...rest) => {
      if (statement.name === "read_subscription_page") looks += 1;
      return pool.query(statement, ...rest);
    };
    const loop = start({ pool: { ...pool, query } });
    const waitsMs: number[] = [];
    for (let version = 0; version < 3; version += 1) {
      // The rest doubles with each look in vain: after six of them it is the longest.
      const from = looks;
      await until("the loop rests long", () => looks >= from + 6);
      const startMs = performance.now();
      const [answer] = await appendAll(pool, appendTo("woken", version));
      loop.wake();
      if (answer?.outcome === "appended") await reached(answer.position);
      waitsMs.push(performance.now() - startMs);
    }
    expect(Math.min(...waitsMs)).toBeLessThan(limits.pollMsMax / 2);
  });

  test("report says live, and codes of nothing, when the head is reached", async () => {
    await appendAll(pool, appendTo("a", 0, 3));
    const loop = start();
    const live = {
      partition: 0,
      epoch: 1,
      state: "live",
      halted: false,
      eventsFailed: 0,
      errorsLastMinute: 0,
      lastError: null,
      eventsPerSecond: expect.any(Number) as unknown,
      inFlight: 0,
    };
    await reached(3);
    await until("the loop is live", () => loop.report().every(({ state }) => state === "live"));
    const reports: readonly unknown[] = loop.report();
    expect(reports).toEqual([
      { name: "counts", ...live },
      { name: "others", ...live },
    ]);
    expect(loop.codes).toEqual([]);
  });

  test("leases are free at once when the loop has drained", async () => {
    const loop = start();
    await until("the loop holds them", () => loop.report().length === 2);
    await loop.stop();
    const runnable = views.map((view) => ({
      name: view.name,
      version: 1,
      fingerprint: fingerprintOf(view),
    }));
    const request = { owner: uuidv7(), runnable, durationMs: 1_000, reports: [] };
    const leases = await acquireLeases(pool, request);
    expect(leases.map(({ subscription }) => subscription)).toEqual(["counts", "others"]);
  });

  test("second loop takes its share, and everything when the first one drains", async () => {
    const first = start();
    const held = (loop: typeof first) => loop.report().map(({ name }) => name);
    await until("the first holds them", () => held(first).length === 2);
    const second = start();
    await until("each has one", () => held(first).length === 1 && held(second).length === 1);
    expect([...held(first), ...held(second)].toSorted()).toEqual(["counts", "others"]);
    await appendAll(pool, appendTo("a", 0, 2));
    await reached(2);
    await first.stop();
    await appendAll(pool, appendTo("a", 2, 2));
    await reached(4);
    expect([held(first), held(second).toSorted()]).toEqual([[], ["counts", "others"]]);
    expect([await countsOf(), await countsOf("others")]).toEqual([{ a: 4 }, { a: 4 }]);
  });

  test("loop ends by a defect when the log has a gap", async () => {
    await appendAll(pool, appendTo("a", 0, 5));
    await sql`delete from varve.events where position = 3`;
    const loop = startLoop({ pool, views });
    const name = await loop.running.then(
      () => "drained",
      (error: Error) => error.name,
    );
    expect([name, await checkpoints()]).toEqual([
      "Defect",
      [
        ["counts", 0, 0],
        ["others", 0, 0],
      ],
    ]);
  });
});
