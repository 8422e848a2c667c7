import { afterAll, beforeAll, expect, test } from "bun:test";

import { appendBatch } from "#store/append.ts";
import { openPool, type Pool } from "#store/pool.ts";
import { freshDatabase, type TestDatabase } from "#test/database.ts";

let database: TestDatabase;
let pool: Pool;

beforeAll(async () => {
  database = await freshDatabase();
  pool = openPool({
    url: database.url,
    // The one session of the test: its first statement is the append.
    size: 1,
    applicationName: "test",
    statementTimeoutMs: 10_000,
    acquireTimeoutMs: 10_000,
    prepare: true,
    ssl: false,
  });
});
afterAll(async () => {
  await pool.close(1_000);
  await database.drop();
});

test("append answers a conflict when no append of its session has won yet", async () => {
  const event = {
    id: crypto.randomUUID(),
    type: "Tested",
    schemaVersion: 1,
    timestamp: "2026-01-01T00:00:00Z",
    payload: {},
    metadata: {},
    subjectKeys: [],
  };
  const append = { aggregateType: "Test", aggregateId: "a", expectedVersion: 3, events: [event] };
  expect(await appendBatch(pool, JSON.stringify([append]))).toEqual([
    { outcome: "conflict", version: 0 },
  ]);
});
