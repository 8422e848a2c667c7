import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";

import { freshDatabase, type TestDatabase } from "#test/database.ts";
import { command, createOrder, shownOrder, type Target } from "#test/support/caller.ts";
import { caughtUp, logFaults, withSql } from "#test/support/invariants.ts";
import {
  createKey,
  endServices,
  type ProcessOptions,
  runVerb,
  type Service,
  spawnVerb,
  startService,
} from "#test/support/service.ts";
import { until } from "#test/until.ts";

let database: TestDatabase;
let key = "";
beforeAll(async () => {
  database = await freshDatabase();
  key = await createKey({ databaseUrl: database.url });
});
afterEach(endServices);
afterAll(() => database.drop());

const options = (environment: Readonly<Record<string, string>>): ProcessOptions => ({
  databaseUrl: database.url,
  environment: { SNAPSHOT_THRESHOLD: "3", ...environment },
});

const change = async (target: Target, id: string, mark: string): Promise<number> => {
  const contact = { name: `Name ${mark}`, email: `${mark}@example.org` };
  const { status } = await command(target, `${id}/change-contact`, { contact });
  return status;
};

/** The values of the metrics that have that name, by label. */
async function metric(service: Service, name: string): Promise<Readonly<Record<string, number>>> {
  const text = await (await fetch(`${service.url}/metrics`)).text();
  const lines = text.split("\n").flatMap((line) => {
    const [, labels, value] = new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)$`).exec(line) ?? [];
    return value === undefined ? [] : [[labels ?? "", Number(value)] as const];
  });
  return Object.fromEntries(lines);
}

const snapshots = () =>
  withSql(database.url, async (sql) => [
    ...(await sql<{ id: string; version: number; text: string }[]>`
      select aggregate_id as id, version::int, n::text as text from varve.snapshots n order by 1`),
  ]);

const places = async () => (await snapshots()).map(({ id, version }) => [id, version]);

test("service goes on from its snapshots when it is started again, and holds nothing in the clear", async () => {
  const first = await startService(options({ SNAPSHOT_MODE: "background" }));
  const canary = "zqkanarienvogel";
  const target = { url: first.url, key };
  await createOrder(target, "long", canary);
  for (const n of [2, 3, 4]) expect(await change(target, "long", `${canary}${n}`)).toBe(200);
  // What is under way in the background is stored before the process goes.
  expect(await first.stop()).toEqual({ code: 0, signal: null });
  const [row] = await snapshots();
  expect([row?.id, row?.text.includes("es1."), row?.text.includes(canary)]).toEqual([
    "long",
    true,
    false,
  ]);

  const second = await startService(options({ SNAPSHOT_MODE: "manual" }));
  const again = { url: second.url, key };
  expect(await change(again, "long", "last")).toBe(200);
  expect(await metric(second, "varve_snapshot_loads_total")).toEqual({ 'outcome="hit"': 1 });
  const replayed = await metric(second, "varve_aggregate_replayed_events_sum");
  expect(replayed).toEqual({ "": 4 - (row?.version ?? 0) });
  expect(await shownOrder(again, "long", 5)).toMatchObject({
    contact: { name: "Name last" },
    shippingAddress: { city: `City ${canary}` },
  });
  await caughtUp(database.url);
  expect(await logFaults(database.url, [])).toEqual([]);
}, 30_000);

test("operator takes, counts and drops snapshots when the mode is manual", async () => {
  const manual = options({ SNAPSHOT_MODE: "manual" });
  const service = await startService(manual);
  const target = { url: service.url, key };
  for (const id of ["a", "b", "c"]) await createOrder(target, id);
  for (const n of [2, 3]) {
    for (const id of ["b", "c"]) await change(target, id, `${n}`);
  }
  const verb = async (...words: readonly string[]) => {
    const { code, stdout } = await runVerb(["snapshots", ...words, "--json"], manual);
    return [code, stdout === "" ? null : (JSON.parse(stdout) as unknown)];
  };
  const taken = (counts: object) => ({
    taken: 0,
    unchanged: 0,
    missing: 0,
    tooLarge: 0,
    unloadable: 0,
    unloadableStreams: [],
    interrupted: false,
    ...counts,
  });
  expect(await verb("drop", "orders", "long")).toEqual([0, { removed: 1 }]);
  expect(await verb("take", "orders", "a,none")).toEqual([1, taken({ taken: 1, missing: 1 })]);
  expect(await verb("take", "orders", "a")).toEqual([0, taken({ unchanged: 1 })]);
  expect(await verb("take", "orders")).toEqual([0, taken({ taken: 3 })]);
  expect(await verb("take", "orders", "--over", "1")).toEqual([0, taken({})]);
  expect(await places()).toEqual([
    ["a", 1],
    ["b", 3],
    ["c", 3],
    ["long", 5],
  ]);
  const [code, counts] = await verb("list");
  expect([code, counts]).toEqual([
    0,
    [
      {
        aggregateType: "Order",
        schemaVersion: 1,
        snapshots: 4,
        bytes: expect.any(Number) as number,
        oldest: expect.any(String) as string,
        newest: expect.any(String) as string,
      },
    ],
  ]);
  expect(await verb("drop", "orders")).toEqual([0, { removed: 4 }]);
  const text = (...words: readonly string[]) => runVerb(["snapshots", ...words], manual);
  expect(await text("list")).toEqual({ code: 0, stdout: "no snapshots\n", stderr: "" });
  expect((await text("take", "orders", "a,none")).stdout).toBe(
    "1 taken, 0 unchanged, 1 missing, 0 too large, 0 unloadable\n",
  );
  expect((await text("list")).stdout).toStartWith("Order schema 1  1 snapshot  ");
  expect((await text("take", "orders", "--over", "99")).stdout).toBe(
    "no stream has grown by 99 events since its last\n",
  );
  expect(await verb("take", "loans")).toEqual([2, null]);
  expect(await verb("take", "orders", "--over", "0")).toEqual([2, null]);
}, 30_000);

test("stream is named, and the others are taken, when it cannot be loaded", async () => {
  const manual = options({ SNAPSHOT_MODE: "manual" });
  const { url } = await startService(manual);
  for (const id of ["newer", "whole"]) await createOrder({ url, key }, id);
  await withSql(database.url, async (sql) => {
    await sql`update varve.events set schema_version = 99 where aggregate_id = 'newer'`;
  });
  try {
    expect(await runVerb(["snapshots", "take", "orders", "newer,whole"], manual)).toEqual({
      code: 1,
      stdout:
        "1 taken, 0 unchanged, 0 missing, 0 too large, 1 unloadable\n" +
        "unloadable: Order newer (schema-behind)\n",
      stderr: "",
    });
  } finally {
    await withSql(database.url, async (sql) => {
      await sql`delete from varve.events where aggregate_id = 'newer'`;
      await sql`delete from varve.streams where aggregate_id = 'newer'`;
    });
  }
}, 30_000);

test("what was taken is told, and the rest is left, when the taking is interrupted", async () => {
  const manual = options({ SNAPSHOT_MODE: "manual" });
  const { url } = await startService(manual);
  for (const id of ["i", "ii", "iii"]) await createOrder({ url, key }, id);
  await withSql(database.url, async (sql) => {
    const { exited, stdout, stderr } = await sql.begin(async (tx) => {
      // Snapshots can be read, and not stored.
      await tx`lock table varve.snapshots in share mode`;
      const verb = spawnVerb(["snapshots", "take", "orders", "i,ii,iii"], manual);
      const waiting = () => tx`select from pg_locks where not granted`;
      await until("it waits to store", async () => (await waiting()).length > 0, 15_000);
      verb.child.kill("SIGINT");
      await until("it has heard", () => verb.stderr() !== "", 15_000);
      return verb;
    });
    expect(await exited).toEqual({ code: 130, signal: null });
    expect([stdout(), stderr()]).toEqual([
      "1 taken, 0 unchanged, 0 missing, 0 too large, 0 unloadable\n",
      "interrupted: it ends after this stream\n",
    ]);
  });
}, 30_000);
