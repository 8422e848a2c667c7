import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";

import { freshDatabase, type TestDatabase } from "#test/database.ts";
import { withSql } from "#test/support/invariants.ts";
import {
  createKey,
  endServices,
  runVerb,
  scratchFolder,
  spawnVerb,
  startService,
} from "#test/support/service.ts";
import { until } from "#test/until.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterEach(endServices);
afterAll(async () => database.drop());

const positive: unknown = expect.any(Number);
const databasesLeft = () =>
  withSql(
    database.url,
    (sql) => sql`
      select (select count(*)::int from pg_database where datname like 'varve_bench_%') as databases,
             (select count(*)::int from varve.events) as events`,
  );

type Bench = {
  readonly options: unknown;
  readonly comparisons: readonly {
    readonly scenario: string;
    readonly aim: unknown;
    readonly met: boolean | null;
    readonly ratios: readonly number[];
  }[];
};

/** How many comparisons each scenario made, with their aims; every ratio is a finite number. */
function outline({ comparisons }: Bench): readonly unknown[] {
  for (const { aim, met, ratios } of comparisons) {
    expect(ratios).toHaveLength(1);
    expect(ratios.every((ratio) => ratio > 0 && Number.isFinite(ratio))).toBe(true);
    expect(typeof met).toBe(aim === null ? "object" : "boolean");
  }
  const scenarios = [...new Set(comparisons.map(({ scenario }) => scenario))];
  return scenarios.map((scenario) => {
    const own = comparisons.filter((comparison) => comparison.scenario === scenario);
    return [scenario, own.length, own.map(({ aim }) => aim).find((aim) => aim !== null) ?? null];
  });
}

test("bench append compares in every scenario and leaves no database when it has measured", async () => {
  const sizes = [
    "--writers",
    "4,8",
    "--rounds",
    "1",
    "--seconds",
    "0.1",
    "--stored",
    "500",
    "--age",
    "100",
  ];
  const { code, stdout } = await runVerb(
    ["bench", "append", "--scenario", "all", ...sizes, "--enforce", "--json"],
    { databaseUrl: database.url },
  );
  const bench = JSON.parse(stdout) as Bench;
  // Whether an aim is met is the machine's matter; what follows from it is not.
  expect(code).toBe(bench.comparisons.some(({ met }) => met === false) ? 1 : 0);
  expect(bench.options).toEqual({
    rounds: 1,
    durationMs: 100,
    payloadSize: 200,
    writers: [4, 8],
    stored: 500,
    age: 100,
  });
  expect(outline(bench)).toEqual([
    ["baselines", 8, null],
    ["snapshot", 4, { atLeast: 0.9 }],
    ["other-database", 4, { atMost: 1.25 }],
    ["processes", 2, { atLeast: 0.9 }],
    ["events-10", 4, null],
    ["payloads", 4, null],
    ["stored", 2, { atLeast: 0.8 }],
  ]);
  expect([...(await databasesLeft())]).toEqual([{ databases: 0, events: 0 }]);
}, 120_000);

test("bench load compares in every scenario and leaves no database when it has measured", async () => {
  const sizes = ["--sizes", "3,1500", "--months", "1,3", "--events", "600"];
  const { code, stdout } = await runVerb(
    ["bench", "load", ...sizes, "--rounds", "1", "--seconds", "0.05", "--json"],
    { databaseUrl: database.url },
  );
  expect(code).toBe(0);
  expect(outline(JSON.parse(stdout) as Bench)).toEqual([
    ["sizes", 5, { atMost: 2 }],
    ["memory", 1, null],
    ["partitions", 9, { atMost: 1.3 }],
  ]);
  expect([...(await databasesLeft())]).toEqual([{ databases: 0, events: 0 }]);
}, 120_000);

test("bench project compares in every scenario and leaves no database when it has measured", async () => {
  const sizes = ["--events", "300", "--rate", "20", "--rounds", "1", "--seconds", "0.5", "--json"];
  const { code, stdout, stderr } = await runVerb(["bench", "project", ...sizes], {
    databaseUrl: database.url,
  });
  expect([code, stderr]).toEqual([0, expect.stringContaining("live: round 1 of 1")]);
  expect(outline(JSON.parse(stdout) as Bench)).toEqual([
    ["catch-up", 4, { atLeast: 1 }],
    ["set-based", 1, { atLeast: 5 }],
    ["live", 3, { atMost: 1 }],
  ]);
  expect([...(await databasesLeft())]).toEqual([{ databases: 0, events: 0 }]);
}, 120_000);

test("bench project catches up over invoices when it is given a file", async () => {
  const directory = scratchFolder();
  const line = (no: number): string =>
    `${no},SKU,LANTERN,2,2010-12-01 08:26:00,2.55,17850.0,France`;
  const header =
    "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country";
  const file = join(directory, "invoices.csv");
  writeFileSync(file, [header, ...Array.from({ length: 60 }, (_, no) => line(no + 1))].join("\n"));
  const flags = [
    "--scenario",
    "catch-up",
    "--file",
    file,
    "--rate",
    "20",
    "--rounds",
    "1",
    "--json",
  ];
  const { code, stdout, stderr } = await runVerb(["bench", "project", ...flags], {
    databaseUrl: database.url,
  });
  expect([code, stderr]).toEqual([0, expect.stringContaining("catch-up: 120 events")]);
  expect(outline(JSON.parse(stdout) as Bench)).toEqual([["catch-up", 4, { atLeast: 1 }]]);
}, 60_000);

test("bench removes what it made and ends with 130 when it is interrupted", async () => {
  const flags = [
    "--scenario",
    "snapshot",
    "--age",
    "1",
    "--rounds",
    "10000",
    "--seconds",
    "0.1",
    "--json",
  ];
  const { child, exited, stderr, stdout } = spawnVerb(["bench", "append", ...flags], {
    databaseUrl: database.url,
  });
  await until("it measures", () => stderr().includes("round 1 "), 20_000);
  child.kill("SIGINT");
  const { code } = await exited;
  const { comparisons } = JSON.parse(stdout()) as Bench;
  expect([code, comparisons]).toEqual([130, []]);
  expect([...(await databasesLeft())]).toEqual([{ databases: 0, events: 0 }]);
}, 30_000);

test("bench says what it takes when a flag makes no sense", async () => {
  const said = async (flag: string, value: string): Promise<unknown> => {
    const { code, stderr } = await runVerb(["bench", "append", flag, value, "--json"], {
      databaseUrl: database.url,
    });
    return [code, (JSON.parse(stderr) as { error: { message: string } }).error.message];
  };
  expect([
    await said("--scenario", "snapshot,none"),
    await said("--seconds", "0"),
    await said("--writers", "4,x"),
  ]).toEqual([
    [
      2,
      "--scenario is one of baselines, snapshot, other-database, processes, events-10, payloads, " +
        "stored, all",
    ],
    [2, "--seconds needs a number of seconds"],
    [2, "--writers needs a whole number from 1 to 999999999"],
  ]);
});

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
      after: spread,
    },
  ]);
}, 30_000);
