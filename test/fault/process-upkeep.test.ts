import { rmSync } from "node:fs";

import { afterEach, beforeEach, expect, test } from "bun:test";

import { listPartitions } from "#store/partitions/register.ts";
import { allRows, archiveFolder, settleThreeMonths } from "#test/support/archives.ts";
import { caughtUp } from "#test/support/invariants.ts";
import { runAgain } from "#test/support/killed-verbs.ts";
import { endServices, startService } from "#test/support/service.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";
import { until } from "#test/until.ts";

let store: TestStore;
let folder: string;
beforeEach(async () => {
  store = await openStore();
  folder = archiveFolder();
});
afterEach(async () => {
  await endServices();
  await closeStore(store);
  rmSync(folder, { recursive: true, force: true });
});

type Report = { readonly status: string; readonly partitions: Readonly<Record<string, unknown>> };

test("service archives by itself what its views have read, and says so, when retention is set", async () => {
  const { sql, pool, database } = store;
  const [first, second] = await settleThreeMonths(sql);
  const before = await allRows(sql);
  const reading = await startService({ databaseUrl: database.url });
  await caughtUp(database.url);
  expect(await reading.stop()).toEqual({ code: 0, signal: null });
  expect(new Set((await listPartitions(pool)).map(({ state }) => state))).toEqual(
    new Set(["attached"]),
  );

  const environment = { EVENT_RETENTION_MONTHS: "1", ARCHIVE_DIR: folder };
  const service = await startService({ databaseUrl: database.url, environment });
  const healthOf = async (): Promise<Report> =>
    (await (await fetch(`${service.url}/health`)).json()) as Report;
  const archived = await until(
    "two months are archived",
    async () => {
      const report = await healthOf();
      const done = report.partitions["archived"] === 2 && report.partitions["maintenance"] !== null;
      return done ? report : null;
    },
    15_000,
  );
  expect(archived.partitions).toMatchObject({
    closed: 2,
    underWay: [],
    reason: null,
    maintenance: { lastError: null, failures: 0 },
  });
  const logged = await until("both are told of", () => {
    const told = service.log().filter(({ message }) => message === "a partition was archived");
    return told.length < 2 ? null : told.map(({ partition }) => partition);
  });
  expect(logged).toEqual([first, second]);
  expect(await service.stop()).toEqual({ code: 0, signal: null });

  for (const name of [first, second]) {
    const verb = ["partitions", "restore", name];
    expect(await runAgain(verb, { databaseUrl: database.url })).toMatchObject({ code: 0 });
  }
  expect(await allRows(sql)).toEqual(before);
}, 60_000);
