import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import type postgres from "postgres";

import { createApp } from "#http/app.ts";
import { healthPaths } from "#http/health.ts";
import { createHealth } from "#query/health.ts";
import { createGroupCommit, type GroupCommit } from "#store/group-commit.ts";
import type { Pool } from "#store/pool.ts";
import { json, openTestApp, type TestApp } from "#test/app.ts";
import { openTestKeyring } from "#test/support/keyrings.ts";
import { settleMonth } from "#test/support/months.ts";
import { openHandler } from "#test/support/orders.ts";
import { openSql, openTestPool } from "#test/support/pools.ts";
import { createBody } from "#test/unit/orders/samples.ts";

let app: TestApp;
let pool: Pool;
let sql: postgres.Sql;
let groupCommit: GroupCommit;
/** How far the database's clock is past this service's. */
let aheadMs = 0;
const clock = (): number => Date.now() - aheadMs;
beforeAll(async () => {
  app = await openTestApp();
  pool = openTestPool(app.url);
  sql = openSql(app.url);
  groupCommit = createGroupCommit(pool, { clock });
  await settleMonth(sql, { monthsAgo: 2, streams: ["old"] });
});
afterEach(() => {
  aheadMs = 0;
});
afterAll(async () => {
  await groupCommit.drain();
  await pool.close(1_000);
  await sql.end({ timeout: 1 });
  await app.close();
});

/** The same service, by that clock. */
async function serviceByClock() {
  const { handle } = openHandler(pool, await openTestKeyring(pool, ["test", 1]), groupCommit);
  const view = () => ({
    startedAtMs: 0,
    draining: false,
    worker: { state: "running" as const, silentMs: 0, crashes: 0 },
  });
  const { report, readiness } = createHealth(pool, view, clock);
  return createApp({ ...app.dependencies, handle, health: report, readiness });
}

const create = async (id: string) => {
  const { headers, ...rest } = json(createBody);
  const service = await serviceByClock();
  return service.request(`/commands/orders/${id}/create`, {
    ...rest,
    headers: { ...headers, Authorization: `Bearer ${app.fullKey}` },
  });
};

const looked = async () => {
  const service = await serviceByClock();
  const ready = await service.request(healthPaths.ready);
  const health = await service.request(healthPaths.health);
  const body = (await health.json()) as { database: { clock: object }; subscriptions: unknown };
  const { reason } = (await ready.json()) as { reason: string };
  return { health: health.status, clock: body.database.clock, ready: ready.status, reason };
};

const around = (seconds: number): unknown => expect.closeTo(seconds, -1);

test("command is refused with its reason when the database's clock is ahead", async () => {
  aheadMs = 3 * 3_600_000;
  const before = await app.eventCount();
  const answer = await create("refused");
  expect([answer.status, answer.headers.get("Retry-After"), await answer.json()]).toMatchObject([
    503,
    "60",
    { type: "urn:varve:problem:clock-ahead", code: "clock-ahead" },
  ]);
  expect(await app.eventCount()).toBe(before);
});

test("health and readiness say why when appends are stopped", async () => {
  aheadMs = 3 * 3_600_000;
  const reason =
    "appends are stopped: the database's clock is 3.0 hours ahead of this process's, and over an hour past the last event";
  expect(await looked()).toEqual({
    health: 503,
    clock: { skewSeconds: around(3 * 3_600), appendsStopped: true, reason },
    ready: 503,
    reason,
  });
});

test("health says nothing of a clock when it is right, and the command is taken", async () => {
  expect(await looked()).toMatchObject({
    clock: { skewSeconds: around(0), appendsStopped: false, reason: null },
    ready: 200,
  });
  expect((await create("taken")).status).toBe(201);
});

test("health is degraded and appends go on when the last event is as late as the clock", async () => {
  for (const [hours, words] of [
    [5, "5.0 hours ahead of"],
    [-240, "10.0 days behind"],
  ] as const) {
    aheadMs = hours * 3_600_000;
    expect(await looked()).toMatchObject({
      clock: { appendsStopped: false, reason: `the database's clock is ${words} this process's` },
      ready: 200,
    });
    expect((await create(`on-${hours}`)).status).toBe(201);
  }
});
