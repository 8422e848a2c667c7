import { describe, expect, test } from "bun:test";

import { limits } from "#kernel/limits.ts";
import { advanceCheckpoint } from "#store/checkpoints.ts";
import { readHealth } from "#store/health.ts";
import { HEAD, useHealth } from "#test/support/health.ts";

const at = useHealth();
const { plant, health } = at;

describe("the report of subscriptions", () => {
  test("row tells everything when its holder has reported", async () => {
    await plant({
      name: "sales:building",
      role: "building",
      view: "sales",
      position: HEAD - 1_001,
      letters: 2,
      report: { state: "catching_up", eventsFailed: 4, errorsLastMinute: 2, eventsPerSecond: 100 },
    });
    await plant({ name: "mail", kind: "reactor", position: HEAD, paused: "a receiver is down" });
    const anAge: unknown = expect.any(Number);
    const lastProgressAt: unknown = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]{15}Z$/);
    const { subscriptions, ...totals } = await health().report();
    const none = { eventsProcessed: 0, lastProgressAt, lastError: null };
    const rows: unknown = subscriptions;
    expect(rows).toEqual([
      {
        name: "mail",
        partition: 0,
        kind: "reactor",
        role: null,
        status: "degraded",
        state: "paused",
        paused: true,
        pauseReason: "a receiver is down",
        position: HEAD,
        head: HEAD,
        lagEvents: 0,
        lagSeconds: 0,
        eventsFailed: 0,
        errorRatePerMinute: 0,
        eventsPerSecond: 0,
        secondsLeft: null,
        deadLetters: 0,
        ...none,
      },
      {
        name: "sales:building",
        partition: 0,
        kind: "view",
        role: "building",
        status: "healthy",
        state: "catching_up",
        paused: false,
        position: HEAD - 1_001,
        head: HEAD,
        lagEvents: 1_001,
        lagSeconds: anAge,
        eventsFailed: 4,
        errorRatePerMinute: 2,
        eventsPerSecond: 100,
        secondsLeft: 11,
        deadLetters: 2,
        ...none,
      },
    ]);
    expect(subscriptions[1]?.lagSeconds).toBeGreaterThan(86_400);
    expect(totals).toMatchObject({
      status: "degraded",
      subscriptionCount: 2,
      healthyCount: 1,
      degradedCount: 1,
      unhealthyCount: 0,
      totalEventsProcessed: 0,
      totalEventsFailed: 4,
      totalLagEvents: 1_001,
    });
  });

  test("seconds that are left are unknown when nobody says how fast it goes", async () => {
    await plant(
      { name: "a", position: 0 },
      { name: "b", position: 0, report: { eventsPerSecond: 1_000 } },
      { name: "c", position: HEAD, report: { eventsPerSecond: 1_000 } },
      { name: "c:building", view: "c", role: "building", position: HEAD },
    );
    const { subscriptions } = await health().report();
    expect(subscriptions.map(({ name, secondsLeft }) => [name, secondsLeft])).toEqual([
      ["a", null],
      ["b", 11],
      ["c", null],
      ["c:building", 0],
    ]);
  });

  test("letters and faults are counted by partition when there are several", async () => {
    await plant(
      { name: "a", partition: 0, position: HEAD, letters: 3, faults: 0 },
      { name: "a", partition: 1, position: HEAD, letters: 4, faults: 2 },
    );
    await at.sql`insert into varve.dead_letters (subscription, partition, key, position,
        error_code, state)
      values ('a', 0, 'x', 9, 'e', 'resolved'), ('a', 0, 'y', 9, 'e', 'discarded')`;
    const told = async () =>
      (await health().report()).subscriptions.map((one) => [one.deadLetters, one.lastError]);
    expect(await told()).toEqual([
      [3, null],
      [4, "proof-broken"],
    ]);
    // Found before there were as few partitions as now.
    await at.sql`update varve.proof_faults set partition = 7`;
    expect(await told()).toEqual([
      [3, "proof-broken"],
      [4, null],
    ]);
  });

  test("a row has made no progress when only letters were settled", async () => {
    await plant({ name: "a", position: HEAD - 9, stillSeconds: 40, letters: 1 });
    const [letter] = await at.sql<{ id: string }[]>`select id from varve.dead_letters`;
    const step = { subscription: "a", partition: 0, epoch: 1, taken: [], letters: [] };
    const settled = [{ id: Number(letter?.id), resolved: true, errorCode: null, dueInMs: null }];
    const told = async () =>
      (await health().report()).subscriptions.map((one) => [one.state, one.deadLetters]);
    const from = { ...step, fromPosition: HEAD - 9 };
    expect(await advanceCheckpoint(at.pool, { ...from, toPosition: HEAD - 9, settled })).toBe(true);
    expect(await told()).toEqual([["stalled", 0]]);
    const moved = { ...from, toPosition: HEAD - 8, settled: [] };
    expect(await advanceCheckpoint(at.pool, moved)).toBe(true);
    expect(await told()).toEqual([["catching_up", 0]]);
  });
});

describe("readiness and subscriptions", () => {
  const told = async () => {
    const { ready, reason } = await health().readiness();
    return [ready, reason];
  };
  const halted = { state: "error", halted: true, lastError: "handler-failed" };

  test("readiness names what is halted when it serves", async () => {
    await plant(
      { name: "mail", kind: "reactor", position: HEAD, report: halted },
      { name: "orders", partition: 0, position: HEAD, report: halted },
      { name: "orders", partition: 1, position: HEAD, report: halted },
      { name: "sales", position: HEAD },
    );
    expect(await told()).toEqual([false, "halted in front of an event: mail, orders"]);
  });

  test("readiness does not mind when nothing that serves is halted", async () => {
    await plant(
      { name: "orders", position: 0, report: { state: "error", lastError: "handler-failed" } },
      { name: "orders:building", view: "orders", role: "building", report: halted },
      { name: "orders:previous", view: "orders", role: "previous", report: halted },
      { name: "sales", report: halted, lease: "-1 second" },
      { name: "stock", report: halted, paused: "it is looked into" },
    );
    expect([(await health().report()).status, await told()]).toEqual(["unhealthy", [true, "ok"]]);
  });
});

describe("gauges of subscriptions", () => {
  test("gauges tell the lag of the slowest partition and the letters of all when they are asked", async () => {
    await plant(
      { name: "a", partition: 0, position: HEAD - 7, letters: 2 },
      { name: "a", partition: 1, position: HEAD - 9, letters: 3 },
      { name: "b", position: HEAD },
    );
    const gauge = (name: string, value: number, subscription: string) => ({
      name: `varve.subscription.${name}`,
      value,
      subscription,
    });
    expect(await health().gauges()).toMatchObject([
      gauge("lag_events", 9, "a"),
      gauge("dead_letters", 5, "a"),
      gauge("lag_events", 0, "b"),
      gauge("dead_letters", 0, "b"),
    ]);
  });
});

test("health is told in time when 200 subscriptions of four partitions lag and 10,000 letters wait", async () => {
  const { sql } = at;
  await sql`insert into varve.subscriptions (name, kind, partitions)
    select 's' || n, 'reactor', 4 from generate_series(1, 200) n`;
  await sql`insert into varve.checkpoints (subscription, partition, position)
    select s.name, p, 10 * row_number() over () from varve.subscriptions s, generate_series(0, 3) p`;
  await sql`insert into varve.dead_letters (subscription, partition, key, position, error_code)
    select 's' || n % 200 + 1, n / 200 % 4, 'key', n, 'e' from generate_series(1, 10000) n`;
  const startMs = performance.now();
  const { subscriptions } = await readHealth(at.pool, Date.now, limits.healthMs);
  expect(performance.now() - startMs).toBeLessThan(limits.healthMs / 2);
  expect(subscriptions.length).toBe(800);
  expect(subscriptions.every(({ lagSeconds }) => lagSeconds > 0)).toBe(true);
  expect(subscriptions.reduce((sum, { deadLetters }) => sum + deadLetters, 0)).toBe(10_000);
});
