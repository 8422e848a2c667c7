import { afterAll, beforeAll, expect, test } from "bun:test";
import type postgres from "postgres";

import type { Pool } from "#store/pool.ts";
import type { TestDatabase } from "#test/database.ts";
import { logFaults } from "#test/support/log-faults.ts";
import { closeStore, openStore } from "#test/support/store.ts";
import { torture } from "#test/support/torture.ts";

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
beforeAll(async () => {
  ({ database, pool, sql } = await openStore());
});
afterAll(() => closeStore({ database, pool, sql }));

const seed = Number(process.env["VARVE_TEST_SEED"] ?? Date.now() % 1_000_000);

test("no event is lost or double when 32 writers ask anything and sessions and instances end", async () => {
  const options = { url: database.url, writers: 32, instances: 3, durationMs: 3_000, seed };
  const { faults, ...figures } = await torture(options);
  // VARVE_TEST_SEED sets the seed.
  expect({ seed, faults }).toEqual({ seed, faults: [] });
  expect(await logFaults(sql)).toEqual([]);
  const [row] = await sql<{ events: number }[]>`select count(*)::int as events from varve.events`;
  expect(row?.events).toBe(figures.events);
  for (const outcome of ["appended", "already", "conflict", "replayed"]) {
    expect([outcome, (figures.outcomes[outcome] ?? 0) > 0]).toEqual([outcome, true]);
  }
  expect([figures.kills > 3, figures.restarts > 0]).toEqual([true, true]);
}, 40_000);
