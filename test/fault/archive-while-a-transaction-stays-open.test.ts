import { rmSync } from "node:fs";

import { afterEach, beforeEach, expect, test } from "bun:test";

import { findPartition } from "#store/partitions/register.ts";
import { allRows, archiveFolder, settleThreeMonths } from "#test/support/archives.ts";
import { holdOpen } from "#test/support/killed-verbs.ts";
import { endServices, runVerb } from "#test/support/service.ts";
import { startSteadyLoad } from "#test/support/steady-load.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";

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

test("archive gives up in time and goes on later, or back, while somebody's transaction is open", async () => {
  const { sql, pool, database } = store;
  const [first, second] = await settleThreeMonths(sql);
  const before = await allRows(sql);
  const options = { databaseUrl: database.url };
  const run = (...words: readonly string[]) => runVerb(["partitions", ...words], options);
  const archive = (name: string) => run("archive", name, "--to", folder, "--wait", "1");
  const release = await holdOpen(database.url, "select from varve.events limit 1");
  const load = startSteadyLoad(database.url);

  const waited = await archive(first);
  expect([waited.code, waited.stdout]).toEqual([75, ""]);
  expect(waited.stderr).toContain("once the transactions that are open now have ended");
  expect(await findPartition(pool, first)).toMatchObject({ state: "detached", table: "pending" });
  // Another month waits behind it, and so does the way back.
  expect((await archive(second)).code).toBe(75);
  expect((await run("restore", first, "--wait", "1")).code).toBe(75);
  const { slowestMs, appends } = await load.stop();
  expect(appends).toBeGreaterThan(20);
  expect(slowestMs).toBeLessThan(1_500);

  await release();
  expect((await run("restore", first)).code).toBe(0);
  expect((await archive(second)).code).toBe(0);
  expect((await run("restore", second)).code).toBe(0);
  expect((await allRows(sql)).slice(0, before.length)).toEqual(before);
}, 60_000);
