import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";

import { freshDatabase, type TestDatabase } from "#test/database.ts";
import { command, createOrder, orderBody, shownOrder, type Target } from "#test/support/caller.ts";
import { caughtUp, logFaults, viewFaults, withSql } from "#test/support/invariants.ts";
import { randomFrom, startLoad } from "#test/support/load.ts";
import {
  createKey,
  endServices,
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
afterAll(async () => database.drop());

const start = (environment: Readonly<Record<string, string>> = {}): Promise<Service> =>
  startService({ databaseUrl: database.url, environment });

/** How many rows the statement finds. */
const count = (statement: string): Promise<number> =>
  withSql(database.url, async (sql) => (await sql.unsafe(statement)).length);

const ourSessions = `select from pg_stat_activity
  where datname = current_database() and application_name like 'varve %'`;
const liveLeases = "select from varve.leases where expires_at > clock_timestamp()";
const waits = async (): Promise<boolean> =>
  (await count(`${ourSessions} and wait_event_type = 'Lock'`)) > 0;

const logLock = "select pg_advisory_xact_lock(hashtextextended('varve.log', 0))";
const checkpointLock = "select from varve.checkpoints for update";

/** Runs the work while a session holds what the statement locks, or until it is released. */
const whileLocked = (statement: string, work: (release: () => Promise<void>) => Promise<void>) =>
  withSql(database.url, async (sql) => {
    await sql.unsafe(`begin; ${statement}`);
    let held = true;
    const release = async (): Promise<void> => {
      if (held) await sql.unsafe("rollback");
      held = false;
    };
    try {
      await work(release);
    } finally {
      await release();
    }
  });

const drains = (service: Service): Promise<true> =>
  until("it drains", () => service.output().includes('"draining"'));

test.each(["SIGTERM", "SIGINT"] as const)(
  "service drains and ends with 0 when it gets %s under load",
  async (signal) => {
    const service = await start();
    const target = { url: service.url, key };
    const random = randomFrom(1);
    const load = startLoad({ target: () => target, writers: 16, random, retries: 0 });
    await until("there is load", () => load.answers.length > 100, 15_000);
    const startedMs = performance.now();
    expect(await service.stop(signal)).toEqual({ code: 0, signal: null });
    expect(performance.now() - startedMs).toBeLessThan(10_000);
    await load.stop();

    expect(await logFaults(database.url, load.answers)).toEqual([]);
    // Nobody has run since: the views were brought to the head before the end.
    expect(await viewFaults(database.url)).toEqual([]);
    await until("no session is left", async () => (await count(ourSessions)) === 0);
    expect(await count(liveLeases)).toBe(0);
    const allowed = ["404", "409", "503", "no answer"];
    expect([...load.refusals.keys()].filter((what) => !allowed.includes(what))).toEqual([]);
    const messages = service.log().map(({ message }) => message);
    expect(messages.filter((message) => message !== "request")).toEqual([
      "serving",
      "draining",
      "drained",
    ]);
  },
  40_000,
);

test("service answers what is in flight when it gets SIGTERM", async () => {
  const service = await start();
  const target: Target = { url: service.url, key };
  await whileLocked(logLock, async (release) => {
    const ids = ["a", "b", "c", "d", "e", "f"].map((name) => `flight-${name}`);
    const inFlight = ids.map((id) => createOrder(target, id));
    await until("the append waits", waits);
    service.signal("SIGTERM");
    await drains(service);
    const ready = await fetch(`${service.url}/health/ready`);
    expect([ready.status, await ready.json()]).toEqual([
      503,
      expect.objectContaining({ ready: false, reason: "shutting down" }),
    ]);
    const late = await command(target, "late/create", orderBody("c-1"));
    expect(late.status).toBe(503);
    await release();
    const answers = await Promise.all(inFlight);
    expect(await logFaults(database.url, answers)).toEqual([]);
  });
  expect(await service.exited).toEqual({ code: 0, signal: null });
});

test("another instance takes the views over at once when the first one has drained", async () => {
  const first = await start();
  const second = await start();
  await first.stop();
  const startedMs = performance.now();
  const target: Target = { url: second.url, key };
  await createOrder(target, "after-drain");
  await shownOrder(target, "after-drain");
  // Below the 3 s after which a lease that nobody gave back ends.
  expect(performance.now() - startedMs).toBeLessThan(2_500);
});

/** Starts the service; its views are held, and follow. */
async function startFollowing(environment: Readonly<Record<string, string>> = {}) {
  const service = await start(environment);
  const target: Target = { url: service.url, key };
  const { id } = await createOrder(target, `follows-${service.pid}`);
  await shownOrder(target, id);
  await caughtUp(database.url);
  return service;
}

test("service ends at once when it gets a second signal", async () => {
  const service = await startFollowing();
  await whileLocked(checkpointLock, async () => {
    await createOrder({ url: service.url, key }, "second-signal");
    await until("the worker waits", waits);
    service.signal("SIGTERM");
    await drains(service);
    const startedMs = performance.now();
    expect(await service.stop("SIGTERM")).toEqual({ code: 1, signal: null });
    expect(performance.now() - startedMs).toBeLessThan(1_000);
  });
});

test("service ends within its time when the worker cannot drain", async () => {
  const service = await startFollowing({
    SHUTDOWN_TIMEOUT_MS: "4000",
    DRAIN_TIMEOUT_MS: "1000",
  });
  await whileLocked(checkpointLock, async () => {
    await createOrder({ url: service.url, key }, "no-drain");
    await until("the worker waits", waits);
    const startedMs = performance.now();
    expect(await service.stop()).toEqual({ code: 0, signal: null });
    expect(performance.now() - startedMs).toBeLessThan(4_000);
  });
  const messages = service.log().map(({ message }) => message);
  expect(messages).toContain("the worker did not drain in time");
});

test("service ends at once when it gets SIGTERM while it cannot start", async () => {
  await whileLocked("lock table varve.schema_migrations", async () => {
    const starting = spawnVerb(["serve"], { databaseUrl: database.url });
    await until("the start waits", waits, 15_000);
    const startedMs = performance.now();
    starting.child.kill("SIGTERM");
    expect(await starting.exited).toEqual({ code: 0, signal: null });
    expect(performance.now() - startedMs).toBeLessThan(1_000);
  });
});
