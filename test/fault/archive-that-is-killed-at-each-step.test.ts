import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "bun:test";

import { findPartition, type Partition } from "#store/partitions/register.ts";
import { allRows, archiveFolder, settleThreeMonths } from "#test/support/archives.ts";
import { holdOpen, killWhen, leaseEnds, runAgain, waitsWith } from "#test/support/killed-verbs.ts";
import { logFaults } from "#test/support/log-faults.ts";
import { endServices } from "#test/support/service.ts";
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

const url = () => store.database.url;
const files = (name: string): readonly string[] =>
  existsSync(join(folder, name)) ? readdirSync(join(folder, name)) : [];
const partition = (name: string): Promise<Partition> => findPartition(store.pool, name);

type Step = {
  readonly title: string;
  /** What somebody else holds, so that the step takes long enough to be killed in. */
  readonly held?: string;
  /** When that is taken; from the start if it is not said. */
  readonly heldFrom?: (name: string) => Promise<boolean>;
  readonly isThere: (name: string) => Promise<boolean> | boolean;
  /** What must be true after the kill. */
  readonly left: Partial<Partition>;
};

const steps: readonly Step[] = [
  {
    title: "asks whether anything needs the month",
    held: "lock table varve.schema_migrations in share mode",
    isThere: () => waitsWith(store.sql, "begin_archive"),
    left: { table: "attached" },
  },
  {
    title: "waits to detach",
    held: "lock table varve.events in share update exclusive mode",
    isThere: () => waitsWith(store.sql, "detach partition"),
    left: { state: "detached", table: "attached" },
  },
  {
    title: "is half-way detached",
    held: "select from varve.events limit 1",
    isThere: async (name) => (await partition(name)).table === "pending",
    left: { state: "detached", table: "pending" },
  },
  {
    title: "writes files",
    isThere: (name) => files(name).length > 3,
    left: { state: "detached", table: "apart" },
  },
  {
    title: "reads them back",
    isThere: (name) => files(name).includes("manifest.json"),
    left: { state: "detached", table: "apart" },
  },
  {
    title: "drops the table",
    held: "lock table varve.schema_migrations in share mode",
    heldFrom: async (name) => (await partition(name)).table === "apart",
    isThere: () => waitsWith(store.sql, "finish_archive"),
    left: { state: "detached", table: "apart" },
  },
];

for (const { title, held, heldFrom, isThere, left } of steps) {
  test(`archive loses nothing and doubles nothing when it is killed while it ${title}`, async () => {
    const { sql } = store;
    const [name] = await settleThreeMonths(sql, 200);
    const before = await allRows(sql);
    const load = startSteadyLoad(url());
    const options = { databaseUrl: url() };
    const verb = ["partitions", "archive", name, "--to", folder, "--events-per-file", "1"];

    let release: (() => Promise<void>) | undefined;
    if (held !== undefined && heldFrom === undefined) release = await holdOpen(url(), held);
    await killWhen(verb, options, async () => {
      if (held !== undefined && release === undefined && (await heldFrom?.(name)) === true) {
        release = await holdOpen(url(), held);
      }
      return isThere(name);
    });
    expect(await partition(name)).toMatchObject(left);
    await release?.();
    await leaseEnds(sql);
    expect(await runAgain(verb, options)).toMatchObject({ code: 0 });
    expect(await partition(name)).toMatchObject({ state: "archived", table: "gone", events: 200 });
    expect(files(name).length).toBe(201);
    expect(await runAgain(["partitions", "restore", name], options)).toMatchObject({ code: 0 });

    const { appends, slowestMs } = await load.stop();
    expect(appends).toBeGreaterThan(20);
    expect(slowestMs).toBeLessThan(1_500);
    expect((await allRows(sql)).slice(0, before.length)).toEqual(before);
    expect((await allRows(sql)).length).toBe(before.length + appends);
    expect(await logFaults(sql)).toEqual([]);
  }, 60_000);
}
