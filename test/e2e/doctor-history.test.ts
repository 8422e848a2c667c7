import { afterEach, beforeEach, expect, test } from "bun:test";

import { uuidv7 } from "#kernel/ids.ts";
import type { Append } from "#store/append.ts";
import { appendAll } from "#test/support/appends.ts";
import { storedAs } from "#test/support/loans.ts";
import { endServices, runVerb, spawnVerb } from "#test/support/service.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";
import { until } from "#test/until.ts";

let store: TestStore;
beforeEach(async () => {
  store = await openStore();
});
afterEach(async () => {
  await endServices();
  await closeStore(store);
});

const options = () => ({ databaseUrl: store.database.url });

const shipped = (schemaVersion = 1): Append => ({
  aggregateType: "Order",
  aggregateId: uuidv7(),
  expectedVersion: 0,
  events: [
    storedAs(schemaVersion, "OrderShipped", { carrier: "Royal Mail", trackingNumber: "RM1" }),
  ],
});

test("doctor ends with 0 and the counts when it can read all of the history", async () => {
  await appendAll(store.pool, shipped(), shipped());
  const { code, stdout } = await runVerb(["doctor", "--history", "--json"], options());
  expect({ code, body: JSON.parse(stdout) as unknown }).toEqual({
    code: 0,
    body: {
      ok: true,
      events: 2,
      versions: [
        {
          aggregateType: "Order",
          type: "OrderShipped",
          schemaVersion: 1,
          count: 2,
          status: "today",
          faults: [],
        },
      ],
      missing: 0,
      notLookedAt: [],
      interrupted: false,
    },
  });
});

test("doctor ends with 1 and names type, version and position when an event is newer", async () => {
  await appendAll(store.pool, shipped(), shipped(2));
  const { code, stdout } = await runVerb(["doctor", "--history"], options());
  const lines = stdout.trimEnd().split("\n");
  expect({ code, lines: lines.map((line) => line.replaceAll(/ +/g, " ")) }).toEqual({
    code: 1,
    lines: [
      "stream event version count status",
      "Order OrderShipped 1 1 read as it is",
      "Order OrderShipped 2 1 FAULT",
      " newer-version: 1 at 2",
      "2 events, 1 version with faults",
    ],
  });
});

test("doctor ends with 130 when it is interrupted while it waits for the log", async () => {
  await appendAll(store.pool, shipped());
  await store.sql.begin(async (tx) => {
    await tx`lock table varve.events in access exclusive mode`;
    const { child, exited } = spawnVerb(["doctor", "--history"], options());
    const waits = async () => (await tx`select from pg_locks where not granted`).length > 0;
    await until("it waits for the lock", waits, 15_000);
    child.kill("SIGINT");
    expect(await exited).toEqual({ code: 130, signal: null });
  });
});
