import { rmSync } from "node:fs";

import { afterEach, beforeEach, expect, test } from "bun:test";

import { findPartition } from "#store/partitions/register.ts";
import { allRows, archiveFolder, settleThreeMonths } from "#test/support/archives.ts";
import { holdOpen, killWhen, leaseEnds, runAgain, waitsWith } from "#test/support/killed-verbs.ts";
import { endServices } from "#test/support/service.ts";
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

test("month that was taken back stays when the statement of the killed archive comes through", async () => {
  const { sql, pool, database } = store;
  const [name] = await settleThreeMonths(sql);
  const before = await allRows(sql);
  const options = { databaseUrl: database.url };
  const lock = "lock table varve.events in share update exclusive mode";
  const release = await holdOpen(database.url, lock);
  await killWhen(["partitions", "archive", name, "--to", folder], options, () =>
    waitsWith(sql, "detach partition"),
  );
  await leaseEnds(sql);
  expect(await runAgain(["partitions", "restore", name], options)).toMatchObject({ code: 0 });
  await release();
  await until("nothing of the killed program is left", async () => {
    const rows = await sql`select from pg_stat_activity
      where datname = current_database() and application_name = 'varve partitions'`;
    return rows.length === 0;
  });
  expect(await findPartition(pool, name)).toMatchObject({ state: "attached", table: "attached" });
  expect(await allRows(sql)).toEqual(before);
}, 30_000);
