import { mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "bun:test";

import { sleep } from "#kernel/clock.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "#ops/embedded-postgres.ts";
import { migrate } from "#store/migrate.ts";
import {
  type Answer,
  command,
  createOrder,
  orderBody,
  shownOrder,
  type Target,
} from "#test/support/caller.ts";
import { caughtUp, logFaults, viewFaults, withSql } from "#test/support/invariants.ts";
import { createKey, endServices, type Service, startService } from "#test/support/service.ts";
import { until } from "#test/until.ts";

let directory = "";
let server: EmbeddedPostgres;
let service: Service;
let target: Target;

const startServer = (): Promise<EmbeddedPostgres> =>
  startEmbeddedPostgres({ directory: join(directory, "postgres"), ...port() });

/** The server comes back where it was, as a real one does. */
const port = (): { port?: number } =>
  (server as EmbeddedPostgres | undefined) === undefined
    ? {}
    : { port: Number(new URL(server.url).port) };

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "varve-outage-"));
  server = await startServer();
  await migrate({ url: server.url });
  const options = { databaseUrl: server.url };
  const key = await createKey(options);
  service = await startService(options);
  target = { url: service.url, key };
});
afterEach(async () => {
  await endServices();
  await server.stop();
  rmSync(realpathSync(join(directory, "postgres")), { recursive: true, force: true });
  rmSync(directory, { recursive: true });
});

const healthMsMax = 1_000;

/** The statuses of the three health routes, each answered in time. */
async function health(): Promise<Readonly<Record<string, number>>> {
  const ask = async (path: string): Promise<number> => {
    const startedMs = performance.now();
    const answer = await fetch(`${service.url}${path}`);
    await answer.json();
    expect(performance.now() - startedMs).toBeLessThan(healthMsMax);
    return answer.status;
  };
  const [report, ready, live] = await Promise.all(
    ["/health", "/health/ready", "/health/live"].map(ask),
  );
  return { report: report ?? 0, ready: ready ?? 0, live: live ?? 0 };
}

const well = { report: 200, ready: 200, live: 200 };
const ill = { report: 503, ready: 503, live: 200 };

const healthBecomes = (wanted: Readonly<Record<string, number>>): Promise<true> =>
  until(
    `health is ${JSON.stringify(wanted)}`,
    async () => Bun.deepEquals(await health(), wanted),
    15_000,
  );

test("service refuses while Postgres is down and goes on by itself when it is back", async () => {
  const before = await createOrder(target, "before");
  await server.stop();
  await healthBecomes(ill);

  const startedMs = performance.now();
  const answer = await command(target, "during/create", orderBody("c-1"));
  expect(performance.now() - startedMs).toBeLessThan(2_000);
  expect(answer.headers.get("Content-Type")).toBe("application/problem+json");
  expect(Number(answer.headers.get("Retry-After"))).toBeGreaterThan(0);
  expect(await answer.json()).toMatchObject({ status: 503, code: "database-unavailable" });
  const read = await fetch(`${target.url}/queries/orders/before`, {
    headers: { Authorization: `Bearer ${target.key}` },
  });
  expect([read.status, read.headers.has("Retry-After")]).toEqual([503, true]);
  expect(await health()).toEqual(ill);

  server = await startServer();
  await healthBecomes(well);
  const after = await createOrder(target, "after");
  await shownOrder(target, "after");
  await caughtUp(server.url);
  expect(await logFaults(server.url, [before, after])).toEqual([]);
  expect(await viewFaults(server.url)).toEqual([]);
  expect((await command(target, "during/ship", { carrier: "a", trackingNumber: "b" })).status).toBe(
    404,
  );
  expect(await service.stop()).toEqual({ code: 0, signal: null });
}, 40_000);

/** The processes of the server that serve us, and the one that would make more. */
async function serverPids(): Promise<readonly number[]> {
  const lock = join(directory, "postgres", "postmaster.pid");
  const postmaster = Number(readFileSync(lock, "utf8").split("\n")[0]);
  const rows = await withSql(
    server.url,
    (sql) => sql<{ pid: number }[]>`
    select pid from pg_stat_activity where application_name like 'varve %'`,
  );
  return [postmaster, ...rows.map(({ pid }) => pid)];
}

test("health answers in time while Postgres hangs, and commands go on afterwards", async () => {
  await createOrder(target, "before");
  await shownOrder(target, "before");
  const pids = await serverPids();
  expect(pids.length).toBeGreaterThan(3);
  for (const pid of pids) process.kill(pid, "SIGSTOP");
  let hanging: Promise<Response>;
  try {
    hanging = command(target, "during/create", orderBody("c-1"));
    // Longer than a look takes to be given up, so that new connections are tried as well.
    for (let round = 0; round < 4; round += 1) {
      expect(await health()).toEqual(ill);
      await sleep(250);
    }
  } finally {
    for (const pid of pids) process.kill(pid, "SIGCONT");
  }
  expect((await hanging).status).toBe(201);
  await healthBecomes(well);
  await createOrder(target, "after");
  await shownOrder(target, "after");
  await caughtUp(server.url);
  expect(await logFaults(server.url, [])).toEqual([]);
  expect(await viewFaults(server.url)).toEqual([]);
}, 40_000);

test("service comes back when every session of it is terminated under load", async () => {
  const orders = Array.from({ length: 60 }, (_, index) => `cut-${index}`);
  const send = orders.map((id) => command(target, `${id}/create`, orderBody("c-1")));
  const cut = withSql(
    server.url,
    (sql) => sql`
    select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'varve %'`,
  );
  const [answers] = await Promise.all([Promise.all(send), cut]);
  // A reply that was lost is asked for again: nobody is left without an answer.
  const statuses = new Set(answers.map(({ status }) => status));
  expect([...statuses].filter((status) => status !== 201 && status !== 503)).toEqual([]);
  await healthBecomes(well);
  await createOrder(target, "after");
  await caughtUp(server.url);
  const accepted = (await Promise.all(
    answers.filter(({ ok }) => ok).map((one) => one.json()),
  )) as Answer[];
  expect(await logFaults(server.url, accepted)).toEqual([]);
  expect(await viewFaults(server.url)).toEqual([]);
}, 40_000);
