import { describe, expect, test } from "bun:test";

import type { SubscriptionHealth } from "#query/health-report.ts";
import { HEAD, type SubscriptionRow, useHealth } from "#test/support/health.ts";

const at = useHealth();
const { plant } = at;

const report = () => at.health().report();

type Said = readonly [SubscriptionHealth["state"], SubscriptionHealth["status"], string | null];

/** What is said of each subscription, by the service's status. */
async function said() {
  const { status, subscriptions } = await report();
  const each = subscriptions.map((one): readonly [string, Said] => [
    one.name,
    [one.state, one.status, one.lastError],
  ]);
  return { status, ...Object.fromEntries(each) };
}

/** A row of its own for each, and what is to be said of it. */
const expectEach = async (cases: Readonly<Record<string, readonly [object, Said]>>) => {
  await plant(...Object.entries(cases).map(([name, [row]]) => ({ name, position: HEAD, ...row })));
  const wanted = Object.entries(cases).map(([name, [, expected]]) => [name, expected]);
  expect(await said()).toMatchObject(Object.fromEntries(wanted));
};

describe("the state of a subscription", () => {
  test("state is the database's when a pause, a lease or stillness decides it", async () => {
    const error = { state: "error", lastError: "handler-failed" };
    const late = { position: 9_900, stillSeconds: 31 };
    await expectEach({
      at_head: [{}, ["live", "healthy", null]],
      behind: [{ position: 9_900 }, ["catching_up", "healthy", null]],
      still_at_head: [{ stillSeconds: 3_600 }, ["live", "healthy", null]],
      still_for_a_while: [{ ...late, stillSeconds: 20 }, ["catching_up", "healthy", null]],
      still: [late, ["stalled", "unhealthy", null]],
      still_and_live: [{ ...late, report: { state: "live" } }, ["stalled", "unhealthy", null]],
      still_in_error: [{ ...late, report: error }, ["stalled", "unhealthy", "handler-failed"]],
      still_and_halted: [
        { ...late, report: { ...error, halted: true } },
        ["error", "unhealthy", "handler-failed"],
      ],
      at_barrier: [{ ...late, barrier: 9_900 }, ["catching_up", "healthy", null]],
      before_barrier: [{ ...late, barrier: 9_901 }, ["stalled", "unhealthy", null]],
      no_lease: [{ lease: null }, ["stopped", "unhealthy", null]],
      expired: [{ lease: "-1 second", report: error }, ["stopped", "unhealthy", null]],
      clock_was_ahead: [{ lease: "2 hours" }, ["stopped", "unhealthy", null]],
      expired_and_still: [{ ...late, lease: "-1 second" }, ["stopped", "unhealthy", null]],
      paused: [{ paused: "why" }, ["paused", "degraded", null]],
      paused_and_still: [{ ...late, paused: "why" }, ["paused", "degraded", null]],
      paused_at_0: [{ position: 0, paused: "why" }, ["paused", "degraded", null]],
      paused_without_lease: [{ paused: "why", lease: null }, ["paused", "degraded", null]],
    });
  });

  test("state is what the holder says when only it can know", async () => {
    const failed = { lastError: "handler-failed" };
    const at = (report: object) => ({ report });
    await expectEach({
      error: [at({ state: "error", ...failed }), ["error", "unhealthy", "handler-failed"]],
      halted: [
        at({ state: "catching_up", halted: true, ...failed }),
        ["error", "unhealthy", "handler-failed"],
      ],
      failed_before: [at({ state: "live", ...failed }), ["live", "healthy", "handler-failed"]],
      stopped_it_says: [at({ state: "stopped" }), ["live", "healthy", null]],
      of_another_release: [at({ state: "dreaming" }), ["live", "healthy", null]],
      live_but_late: [
        { position: 9_900, report: { state: "live" } },
        ["catching_up", "healthy", null],
      ],
    });
  });
});

describe("the status of a subscription", () => {
  test("status follows the thresholds when it lags, fails or has dead letters", async () => {
    const failed = (report: object) => ({ report: { state: "live", ...report } });
    await expectEach({
      lag_999: [{ position: HEAD - 999 }, ["catching_up", "healthy", null]],
      lag_1000: [{ position: HEAD - 1_000 }, ["catching_up", "degraded", null]],
      lag_9999: [{ position: HEAD - 9_999 }, ["catching_up", "degraded", null]],
      lag_10000: [{ position: HEAD - 10_000 }, ["catching_up", "unhealthy", null]],
      letters_9: [{ letters: 9 }, ["live", "healthy", null]],
      letters_10: [{ letters: 10 }, ["live", "degraded", null]],
      letters_99: [{ letters: 99 }, ["live", "degraded", null]],
      letters_100: [{ letters: 100 }, ["live", "unhealthy", null]],
      failed_long_ago: [failed({ eventsFailed: 500 }), ["live", "healthy", null]],
      rate_9: [failed({ errorsLastMinute: 9 }), ["live", "healthy", null]],
      rate_10: [failed({ errorsLastMinute: 10 }), ["live", "degraded", null]],
      rate_99: [failed({ errorsLastMinute: 99 }), ["live", "degraded", null]],
      rate_100: [failed({ errorsLastMinute: 100 }), ["live", "unhealthy", null]],
      proof: [{ faults: 1 }, ["live", "unhealthy", "proof-broken"]],
      paused_proof: [{ faults: 1, paused: "why" }, ["paused", "unhealthy", "proof-broken"]],
      paused_letters: [{ letters: 100, paused: "why" }, ["paused", "unhealthy", null]],
    });
  });

  test("a version that does not serve leaves the service healthy when it is late or given up", async () => {
    const late = { position: 0, stillSeconds: 3_600 };
    const aside = (role: string) => ({ role, view: "orders", fingerprint: "other" });
    await plant({ name: "orders", position: HEAD });
    await expectEach({
      "orders:building": [{ ...late, ...aside("building") }, ["stalled", "healthy", null]],
      "orders:previous": [
        { ...late, ...aside("previous"), lease: null },
        ["stopped", "healthy", null],
      ],
    });
    expect((await report()).status).toBe("healthy");
  });

  test("a version that does not serve is degraded when it fails, is paused or has dead letters", async () => {
    const building = (view: string) => ({ view, role: "building", position: 0 });
    const error = { state: "error", lastError: "handler-failed" };
    await expectEach({
      "a:building": [{ ...building("a"), report: error }, ["error", "degraded", "handler-failed"]],
      "b:building": [
        { ...building("b"), report: error, stillSeconds: 31 },
        ["stalled", "degraded", "handler-failed"],
      ],
      "c:building": [{ ...building("c"), letters: 9 }, ["catching_up", "healthy", null]],
      "d:building": [{ ...building("d"), letters: 500 }, ["catching_up", "degraded", null]],
      "e:building": [{ ...building("e"), paused: "why" }, ["paused", "degraded", null]],
      "f:building": [
        { ...building("f"), report: { eventsFailed: 500 } },
        ["catching_up", "healthy", null],
      ],
      "g:building": [{ ...building("g"), faults: 1 }, ["catching_up", "unhealthy", "proof-broken"]],
    });
  });

  test("a serving version is stopped by a changed definition when another one is being built", async () => {
    const building = (view: string, fingerprint: string): SubscriptionRow => ({
      name: `${view}:building`,
      view,
      role: "building",
      fingerprint,
      position: HEAD,
    });
    await plant(
      building("changed", "other"),
      building("rebuilt", "same"),
      building("kept", "other"),
    );
    await expectEach({
      changed: [{ lease: null }, ["stopped", "unhealthy", "definition-changed"]],
      rebuilt: [{ lease: null }, ["stopped", "unhealthy", null]],
      kept: [{}, ["live", "healthy", null]],
      alone: [{ lease: null }, ["stopped", "unhealthy", null]],
    });
  });
});
