import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";

import { freshDatabase, type TestDatabase } from "#test/database.ts";
import { withSql } from "#test/support/invariants.ts";
import { createKey, endServices, runVerb, startService } from "#test/support/service.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterEach(endServices);
afterAll(async () => database.drop());

const positive: unknown = expect.any(Number);
const measured = { perSecond: positive, p50Ms: positive, p99Ms: positive };

test("bench append compares with both baselines and leaves no database when it has measured", async () => {
  const flags = ["--writers", "1,8", "--rounds", "1", "--seconds", "1", "--json"];
  const { code, stdout } = await runVerb(["bench", "append", ...flags], {
    databaseUrl: database.url,
  });
  expect(code).toBe(0);
  const { rows } = JSON.parse(stdout) as { rows: readonly Readonly<Record<string, unknown>>[] };
  const row = {
    group: measured,
    single: measured,
    ceilingPerSecond: positive,
    groupToSingle: positive,
    groupToCeiling: positive,
  };
  expect(rows as unknown).toEqual([
    { writers: 1, ...row },
    { writers: 8, ...row },
  ]);
  const left = await withSql(
    database.url,
    (sql) => sql`
      select (select count(*)::int from pg_database where datname like 'varve_bench_%') as databases,
             (select count(*)::int from varve.events) as events`,
  );
  expect([...left]).toEqual([{ databases: 0, events: 0 }]);
}, 40_000);

test("bench http follows every command until it can be read when a service runs", async () => {
  const options = { databaseUrl: database.url };
  const key = await createKey(options);
  const { url } = await startService(options);
  const { code, stdout } = await runVerb(
    ["bench", "http", "--rate", "50", "--seconds", "2", "--json"],
    { ...options, environment: { VARVE_URL: url, VARVE_KEY: key } },
  );
  const spread = { p50Ms: positive, p99Ms: positive, maxMs: positive };
  expect([code, JSON.parse(stdout) as unknown]).toEqual([
    0,
    {
      bench: "http",
      perSecond: 50,
      durationMs: 2_000,
      commands: 100,
      failed: 0,
      answered: spread,
      visible: spread,
    },
  ]);
}, 30_000);
