import { afterAll, beforeAll, expect, test } from "bun:test";
import type postgres from "postgres";

import { loadAggregate } from "#command/load.ts";
import { limits } from "#kernel/limits.ts";
import type { Pool } from "#store/pool.ts";
import type { TestDatabase } from "#test/database.ts";
import { counters } from "#test/support/counters.ts";
import { openCounts } from "#test/support/states.ts";
import { closeStore, openStore } from "#test/support/store.ts";

const EVENTS = 100_000;

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
beforeAll(async () => {
  ({ database, pool, sql } = await openStore());
  for (let from = 0; from < EVENTS; from += 10_000) {
    await sql`select varve.append_events(jsonb_build_array(jsonb_build_object(
      'aggregateType', 'Counter', 'aggregateId', 'long', 'expectedVersion', ${from}::int,
      'events', (select jsonb_agg(jsonb_build_object('id', gen_random_uuid(), 'type', 'Added',
          'schemaVersion', 1, 'timestamp', now(), 'payload', jsonb_build_object('amount', 1),
          'subjectKeys', '[]'::jsonb, 'metadata', jsonb_build_object('pad', repeat('x', 500))))
        from generate_series(1, 10000)))))`;
  }
}, 60_000);
afterAll(() => closeStore({ database, pool, sql }));

test("aggregate of 100,000 events is loaded a page at a time, in the memory of a page", async () => {
  const pages: number[] = [];
  let heapMax = 0;
  const query: Pool["query"] = async (statement, parameters, ...rest) => {
    // What a page has left behind goes; what the load still holds of earlier ones stays and shows.
    Bun.gc(true);
    heapMax = Math.max(heapMax, process.memoryUsage().heapUsed);
    const rows = await pool.query(statement, parameters, ...rest);
    pages.push(rows.length);
    return rows as never;
  };
  const { counts, meter } = openCounts();
  const options = { pool: { ...pool, query }, meter, threshold: EVENTS + 1 };
  Bun.gc(true);
  const before = process.memoryUsage().heapUsed;
  const loaded = await loadAggregate(options, counters, "long");
  expect([loaded.version, loaded.state]).toMatchObject([EVENTS, { total: EVENTS }]);
  expect(counts).toEqual({ "varve.aggregate.replayed_events": EVENTS });
  expect([pages.length, Math.max(...pages)]).toEqual([
    EVENTS / limits.readEvents,
    limits.readEvents,
  ]);
  // The events alone are over 50 MiB.
  expect(heapMax - before).toBeLessThan(16 * 1024 ** 2);
}, 60_000);
