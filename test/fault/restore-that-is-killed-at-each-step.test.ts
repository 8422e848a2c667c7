import { rmSync } from "node:fs";

import { afterEach, beforeEach, expect, test } from "bun:test";

import { findPartition, type Partition } from "#store/partitions/register.ts";
import {
  allRows,
  archive,
  archiveFolder,
  openTables,
  settleThreeMonths,
} from "#test/support/archives.ts";
import { holdOpen, killWhen, leaseEnds, runAgain, waitsWith } from "#test/support/killed-verbs.ts";
import { logFaults } from "#test/support/log-faults.ts";
import { endServices } from "#test/support/service.ts";
import { startSteadyLoad } from "#test/support/steady-load.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";

const EVENTS = 200;

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

const partition = (name: string): Promise<Partition> => findPartition(store.pool, name);

/** Events that are in the table; 0 where it is not there. */
async function loaded(name: string): Promise<number> {
  const [table] = await store.sql`select to_regclass(${`varve.${name}`}) as oid`;
  if (table?.["oid"] === null) return 0;
  const [row] = await store.sql<{ count: number }[]>`
    select count(*)::int as count from varve.${store.sql(name)}`;
  return row?.count ?? 0;
}

type Step = {
  readonly title: string;
  /** What somebody else holds, so that the step takes long enough to be killed in. */
  readonly held?: string;
  readonly isThere: (name: string) => Promise<boolean> | boolean;
  /** What must be true after the kill. */
  readonly left: Partial<Partition>;
};

const steps: readonly Step[] = [
  {
    title: "makes the table",
    held: "lock table varve.schema_migrations in share mode",
    isThere: () => waitsWith(store.sql, "begin_restore"),
    left: { state: "archived", table: "gone" },
  },
  {
    title: "loads",
    isThere: async (name) => (await loaded(name)) > 3,
    left: { state: "restoring", table: "apart" },
  },
  {
    title: "compares",
    isThere: async (name) => (await loaded(name)) === EVENTS,
    left: { state: "restoring", table: "apart" },
  },
  {
    title: "attaches",
    held: "lock table varve.events in share update exclusive mode",
    isThere: () => waitsWith(store.sql, "attach_partition"),
    left: { state: "restoring", table: "apart" },
  },
];

for (const { title, held, isThere, left } of steps) {
  test(`restore loses nothing and doubles nothing when it is killed while it ${title}`, async () => {
    const { sql, database } = store;
    const [name] = await settleThreeMonths(sql, EVENTS);
    const before = await allRows(sql);
    const direct = openTables(database.url);
    await archive(direct, name, folder, { eventsPerFile: 1 });
    await direct.close(1_000);
    const load = startSteadyLoad(database.url);
    const options = { databaseUrl: database.url };
    const verb = ["partitions", "restore", name];

    const release = held === undefined ? undefined : await holdOpen(database.url, held);
    await killWhen(verb, options, () => isThere(name));
    expect(await partition(name)).toMatchObject(left);
    await release?.();
    await leaseEnds(sql);
    expect(await runAgain(verb, options)).toMatchObject({ code: 0 });

    const { appends, slowestMs } = await load.stop();
    expect(appends).toBeGreaterThan(20);
    expect(slowestMs).toBeLessThan(1_500);
    expect(await partition(name)).toMatchObject({ state: "attached", table: "attached" });
    expect((await allRows(sql)).slice(0, before.length)).toEqual(before);
    expect((await allRows(sql)).length).toBe(before.length + appends);
    expect(await logFaults(sql)).toEqual([]);
  }, 60_000);
}
