/**
 * Health of one partition of a subscription.
 *
 * What it promises. The same whichever instance is asked: it is told by what the database knows,
 * its holder's own word included, which is a renewal of the lease old at most. Paused and held by
 * nobody go before what a holder says, and so does standing still while it lags, unless it is halted
 * in front of an event: that is why it stands still.
 *
 * What it relies on. Checkpoints are moved past events that a subscription does not want, so that
 * one which stands still has stopped.
 *
 * What it does not do. A version of a view that does not serve is read by nobody: that it is late,
 * stands still or has no program any more is told, and leaves the service as well as it is.
 */
import { limits } from "#kernel/limits.ts";
import type { HolderReport, StoredSubscription } from "#store/health.ts";

import { worst, type HealthStatus, type SubscriptionHealth } from "./health-report.ts";

/**
 * Warning and critical, as operators of the ancestor know them. Errors are those of the last minute:
 * what failed before that was taken since, or is a dead letter.
 */
const thresholds = {
  errors: { warning: 10, critical: 100 },
  lagEvents: { warning: 1_000, critical: 10_000 },
  deadLetters: { warning: 10, critical: 100 },
  stalledAfterSeconds: 30,
} as const;

/** Who keeps up is a little behind while events come; so old its report may be. */
const FOLLOWS_WITHIN_SECONDS = (2 * limits.leaseRenewMs) / 1_000;

type Level = { readonly warning: number; readonly critical: number };

const levelOf = (value: number, level: Level): HealthStatus => {
  if (value >= level.critical) return "unhealthy";
  return value >= level.warning ? "degraded" : "healthy";
};

/** Whether nobody reads what it keeps. */
const isAside = ({ role }: StoredSubscription): boolean =>
  role === "building" || role === "previous";

/** What its holder says; nothing where there is none. */
const reportOf = ({ leased, report }: StoredSubscription): HolderReport =>
  (leased ? report : null) ?? {};

const fails = ({ state, halted }: HolderReport): boolean => state === "error" || halted === true;

function stateOf(stored: StoredSubscription, lagEvents: number): SubscriptionHealth["state"] {
  if (stored.missing) return "stopped";
  if (stored.paused) return "paused";
  if (!stored.leased) return "stopped";
  const report = reportOf(stored);
  if (report.halted === true) return "error";
  // It may have been still for hours because there was nothing to do: what counts is both.
  const stillSeconds = Math.min(stored.stillSeconds, stored.lagSeconds);
  const late = lagEvents > 0 && !stored.atBarrier;
  if (late && stillSeconds >= thresholds.stalledAfterSeconds) return "stalled";
  if (fails(report)) return "error";
  const follows =
    report.state === "live" &&
    lagEvents < thresholds.lagEvents.warning &&
    stored.lagSeconds < FOLLOWS_WITHIN_SECONDS;
  return lagEvents === 0 || follows ? "live" : "catching_up";
}

function statusOf(
  stored: StoredSubscription,
  state: SubscriptionHealth["state"],
  lagEvents: number,
): HealthStatus {
  if (stored.proofFaults > 0) return "unhealthy";
  const report = reportOf(stored);
  const letters = levelOf(stored.deadLetters, thresholds.deadLetters);
  if (isAside(stored)) {
    const well = !stored.paused && !fails(report) && letters === "healthy";
    return well ? "healthy" : "degraded";
  }
  return worst([
    state === "stalled" || state === "error" || state === "stopped" ? "unhealthy" : "healthy",
    // It lags because somebody wants it to.
    stored.paused ? "degraded" : levelOf(lagEvents, thresholds.lagEvents),
    letters,
    levelOf(report.errorsLastMinute ?? 0, thresholds.errors),
  ]);
}

/** A code: of what only the database can know, else what the holder says. */
function lastErrorOf(
  stored: StoredSubscription,
  state: SubscriptionHealth["state"],
): string | null {
  if (stored.proofFaults > 0) return "proof-broken";
  if (stored.missing) return "checkpoint-missing";
  if (state === "stopped" && stored.replacement) return "definition-changed";
  return reportOf(stored).lastError ?? null;
}

/** What is true of it where the log ends at `head`. */
export function subscriptionHealth(stored: StoredSubscription, head: number): SubscriptionHealth {
  const lagEvents = Math.max(0, head - stored.position);
  const state = stateOf(stored, lagEvents);
  const report = reportOf(stored);
  const eventsPerSecond = report.eventsPerSecond ?? 0;
  const arrives = state === "catching_up" || stored.role === "building";
  return {
    name: stored.name,
    partition: stored.partition,
    kind: stored.kind,
    role: stored.role,
    status: statusOf(stored, state, lagEvents),
    state,
    paused: stored.paused,
    ...(stored.pauseReason === null ? {} : { pauseReason: stored.pauseReason }),
    position: stored.position,
    head,
    lagEvents,
    lagSeconds: stored.lagSeconds,
    eventsProcessed: stored.eventsProcessed,
    eventsFailed: report.eventsFailed ?? 0,
    errorRatePerMinute: report.errorsLastMinute ?? 0,
    eventsPerSecond,
    secondsLeft: arrives ? secondsLeft(lagEvents, eventsPerSecond) : null,
    deadLetters: stored.deadLetters,
    lastProgressAt: stored.lastProgressAt,
    lastError: lastErrorOf(stored, state),
  };
}

function secondsLeft(lagEvents: number, eventsPerSecond: number): number | null {
  if (lagEvents === 0) return 0;
  return eventsPerSecond > 0 ? Math.ceil(lagEvents / eventsPerSecond) : null;
}

/** Names of reactors and serving views that stopped in front of an event, each once. */
export function haltedOf(subscriptions: readonly StoredSubscription[]): readonly string[] {
  const halted = subscriptions.filter(
    (stored) => !isAside(stored) && !stored.paused && reportOf(stored).halted === true,
  );
  return [...new Set(halted.map(({ name }) => name))];
}

/** What metrics tell of a subscription, all its partitions together. */
export type SubscriptionGauge = {
  readonly name: "varve.subscription.lag_events" | "varve.subscription.dead_letters";
  readonly value: number;
  readonly subscription: string;
};

/** Two for each subscription, where the log ends at `head`; its lag is the slowest partition's. */
export function subscriptionGauges(
  subscriptions: readonly StoredSubscription[],
  head: number,
): readonly SubscriptionGauge[] {
  const all = Map.groupBy(subscriptions, ({ name }) => name);
  return [...all].flatMap(([subscription, partitions]) => {
    const lag = Math.max(0, ...partitions.map(({ position }) => head - position));
    const letters = partitions.reduce((sum, { deadLetters }) => sum + deadLetters, 0);
    return [
      { name: "varve.subscription.lag_events", value: lag, subscription },
      { name: "varve.subscription.dead_letters", value: letters, subscription },
    ];
  });
}
