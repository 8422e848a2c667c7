import { afterAll, beforeAll, expect, test } from "bun:test";

import { createApp } from "#http/app.ts";
import type { AppDependencies } from "#http/dependencies.ts";
import { healthPaths } from "#http/health.ts";

import { openTestApp, type TestApp } from "#test/app.ts";
import { until } from "#test/until.ts";

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
  await until(
    "the views are live",
    async () => (await app.dependencies.health()).status === "healthy",
  );
});
afterAll(() => app.close());

const never = <Value>(): Promise<Value> => Promise.withResolvers<Value>().promise;

type Timed = { readonly status: number; readonly body: unknown; readonly tookMs: number };

async function ask(replaced: Partial<AppDependencies>, path: string): Promise<Timed> {
  const asked = createApp({ ...app.dependencies, ...replaced });
  const startedMs = performance.now();
  const answer = await asked.request(path);
  return {
    status: answer.status,
    body: await answer.json(),
    tookMs: performance.now() - startedMs,
  };
}

const timestamp: unknown = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);

const unknownHealth = (reason: string): unknown => ({
  status: "unhealthy",
  running: false,
  subscriptionCount: 0,
  healthyCount: 0,
  degradedCount: 0,
  unhealthyCount: 0,
  totalEventsProcessed: 0,
  totalEventsFailed: 0,
  totalLagEvents: 0,
  uptimeSeconds: 0,
  timestamp,
  database: { status: "unknown", reason },
  partitions: { status: "unknown", reason },
  subscriptions: [],
});

test("health answers without a key, also to HEAD", async () => {
  for (const path of Object.values(healthPaths)) {
    const { status } = await app.send(path, {}, null);
    const head = await app.send(path, { method: "HEAD" }, null);
    expect([path, status, head.status, await head.text()]).toEqual([path, 200, 200, ""]);
  }
});

test("health answers 503 within a second when what it asks never answers", async () => {
  const health = await ask({ health: never }, healthPaths.health);
  expect([health.status, health.body]).toEqual([503, unknownHealth("timeout")]);
  const ready = await ask({ readiness: never }, healthPaths.ready);
  expect([ready.status, ready.body]).toEqual([
    503,
    { ready: false, reason: "timeout", details: { limitMs: 900 }, timestamp },
  ]);
  expect(Math.max(health.tookMs, ready.tookMs)).toBeLessThan(1_000);
});

test("health answers 503 when what it asks fails, and says so in the log", async () => {
  const fail = () => Promise.reject(new Error("the disk is on fire"));
  const before = app.logText().length;
  const health = await ask({ health: fail }, healthPaths.health);
  expect([health.status, health.body]).toEqual([503, unknownHealth("failed")]);
  const ready = await ask({ readiness: fail }, healthPaths.ready);
  expect([ready.status, ready.body]).toEqual([
    503,
    { ready: false, reason: "failed", details: { limitMs: 900 }, timestamp },
  ]);
  const live = await ask(
    {
      liveness: () => {
        throw new Error("no beat");
      },
    },
    healthPaths.live,
  );
  expect([live.status, live.body]).toEqual([
    503,
    { alive: false, reason: "failed", details: { limitMs: 900 }, timestamp },
  ]);
  const lines = app.logText().slice(before);
  expect(lines.split("a health check failed").length).toBe(4);
});

test("a status decides between 200 and 503", async () => {
  const report = await app.dependencies.health();
  for (const [status, expected] of [
    ["healthy", 200],
    ["degraded", 200],
    ["unhealthy", 503],
  ] as const) {
    const health = () => Promise.resolve({ ...report, status });
    expect((await ask({ health }, healthPaths.health)).status).toBe(expected);
  }
  const readiness = () =>
    Promise.resolve({ ready: false, reason: "draining", details: {}, timestamp: "now" });
  expect((await ask({ readiness }, healthPaths.ready)).status).toBe(503);
  const liveness = () => ({ alive: false, reason: "stuck", details: {}, timestamp: "now" });
  expect((await ask({ liveness }, healthPaths.live)).status).toBe(503);
});

test("many askers share one look when a look takes long", async () => {
  let looks = 0;
  const report = await app.dependencies.health();
  const first = Promise.withResolvers<typeof report>();
  const health = () => {
    looks += 1;
    return looks === 1 ? first.promise : Promise.resolve(report);
  };
  const asked = createApp({ ...app.dependencies, health });
  const waiting = Array.from({ length: 50 }, async () => asked.request(healthPaths.health));
  first.resolve(report);
  const answers = await Promise.all(waiting);
  expect([looks, new Set(answers.map(({ status }) => status))]).toEqual([1, new Set([200])]);
  await asked.request(healthPaths.health);
  expect(looks).toBe(2);
});
