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
  startService,
} from "#test/support/service.ts";

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
  expect(await verb("take", "loans")).toEqual([2, null]);
  expect(await verb("take", "orders", "--over", "0")).toEqual([2, null]);
}, 30_000);
