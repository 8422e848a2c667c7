import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import type postgres from "postgres";

import type { RecordedEvent, View } from "#domain/decider.ts";
import type { OrderEvent } from "#domain/orders/events.ts";
import { uuidv7 } from "#kernel/ids.ts";
import { limits } from "#kernel/limits.ts";
import type { Append } from "#store/append.ts";
import { readAfter } from "#store/events.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, freshDatabase, type TestDatabase } from "#test/database.ts";
import { appendAll } from "#test/support/appends.ts";
import { allViews, ensureViews, startLoop } from "#test/support/loops.ts";
import { openSql, openTestPool } from "#test/support/pools.ts";
import { until } from "#test/until.ts";

import { anyLog } from "./orders-samples.ts";

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
beforeAll(async () => {
  database = await freshDatabase();
  pool = openTestPool(database.url);
  sql = openSql(database.url);
  await ensureViews(pool, allViews);
});
afterAll(async () => {
  await pool.close(1_000);
  await sql.end({ timeout: 1 });
  await assertNothingLeftOpen(database.url);
  await database.drop();
});

type Line = {
  readonly key: string;
  readonly document: unknown;
  readonly firstPosition: number;
  readonly position: number;
};

/** The view of all the events, one after the other. */
function folded(view: View, log: readonly RecordedEvent[]): readonly Line[] {
  const lines = new Map<string, Line>();
  for (const event of log) {
    const key = view.events.includes(event.type) ? view.key(event) : null;
    if (key === null) continue;
    const line = lines.get(key);
    const document = view.project(line?.document ?? null, event);
    const { position } = event;
    if (document === null) lines.delete(key);
    else
      lines.set(key, { key, document, firstPosition: line?.firstPosition ?? position, position });
  }
  return [...lines.values()].toSorted((left, right) => (left.key < right.key ? -1 : 1));
}

async function stored(view: View): Promise<readonly Line[]> {
  return sql<Line[]>`
    select key, document, first_position::int as "firstPosition", position::int as position
      from varve_views.${sql(view.name)} order by key`;
}

async function wholeLog(): Promise<readonly RecordedEvent[]> {
  const log: RecordedEvent[] = [];
  for (;;) {
    const page = await readAfter(pool, log.length, limits.readEvents);
    log.push(...page);
    if (page.length < limits.readEvents) return log;
  }
}

const appendOf = (
  run: string,
  { type, payload, aggregateId }: RecordedEvent<OrderEvent>,
): Append => ({
  aggregateType: "Order",
  aggregateId: `${run}-${aggregateId}`,
  expectedVersion: null,
  events: [
    {
      id: uuidv7(),
      type,
      schemaVersion: 1,
      timestamp: "2026-01-01T00:00:00Z",
      payload,
      metadata: {},
      subjectKeys: [],
    },
  ],
});

const reached = (position: number) =>
  until(`the views reach ${position}`, async () => {
    const rows = await sql`select from varve.checkpoints where position < ${position}`;
    return rows.length === 0;
  });

const compareAll = async (): Promise<void> => {
  const log = await wholeLog();
  await reached(log.length);
  for (const view of allViews) expect([...(await stored(view))]).toEqual([...folded(view, log)]);
};

test("views are the fold of the log when events and looks at them interleave anyhow", async () => {
  const sizes = fc.integer({ min: 1, max: 9 });
  await fc.assert(
    fc.asyncProperty(anyLog, sizes, fc.array(sizes), async (log, batchSize, portions) => {
      const loop = startLoop({ pool, views: allViews, batchSize });
      const run = uuidv7();
      const rest = [...log];
      for (const portion of [...portions, rest.length]) {
        for (const event of rest.splice(0, portion)) await appendAll(pool, appendOf(run, event));
        loop.wake();
      }
      await compareAll();
      await loop.stop();
      expect(loop.codes).toEqual([]);
    }),
    { numRuns: 25 },
  );
});

test("views come to the same documents when they are built again in other pages", async () => {
  const log = await wholeLog();
  expect(log.length).toBeGreaterThan(20);
  const live = await Promise.all(allViews.map(stored));
  for (const [index, batchSize] of [1, 7, 64, 1_000].entries()) {
    const views = allViews.map((view) => ({ ...view, version: 2 + index }));
    await ensureViews(pool, views);
    const loop = startLoop({ pool, views, batchSize });
    await compareAll();
    await loop.stop();
    expect(await Promise.all(allViews.map(stored))).toEqual(live);
  }
});
