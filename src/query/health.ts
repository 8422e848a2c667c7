/**
 * Health: what an operator may believe.
 *
 * What it promises: positions, lag and dead letters come from the database, never from a counter in
 * this process; whether the process works comes from the worker's beats. A subscription that lags
 * and does not move is stalled, whatever it says of itself. Every answer comes within
 * `limits.healthMs`, also where the database hangs.
 *
 * What it relies on: a connection of its own, so that a full pool cannot hide the truth, and the
 * report of the worker that the supervisor received last.
 *
 * How it fails: it does not. A database that cannot be asked is a report of its own.
 *
 * What it does not do: mend anything. Liveness says when this process should be replaced; readiness
 * when it should get no requests.
 */
import { sleep, type Clock } from "#kernel/clock.ts";
import { VarveError } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";
import { readHealth, type DatabaseHealth } from "#store/health.ts";
import type { Pool } from "#store/pool.ts";

import { clockHealth } from "./clock-health.ts";
import { partitionHealth } from "./partition-health.ts";
import type {
  HealthReport,
  HealthStatus,
  LivenessReport,
  ReadinessReport,
  SubscriptionHealth,
} from "./health-report.ts";

/** What the process says of itself. */
export type ProcessView = {
  readonly startedAtMs: number;
  readonly draining: boolean;
  readonly worker: {
    readonly state: "starting" | "running" | "draining" | "stopped" | "given-up";
    readonly silentMs: number;
    readonly crashes: number;
    readonly subscriptions: readonly {
      readonly name: string;
      readonly held: boolean;
      readonly state: SubscriptionHealth["state"];
      readonly eventsFailed: number;
      readonly errorsLastMinute: number;
      readonly lastError: string | null;
    }[];
  };
};

export type Health = {
  readonly report: () => Promise<HealthReport>;
  readonly readiness: () => Promise<ReadinessReport>;
  readonly liveness: () => LivenessReport;
};

/** Warning and critical, as operators of the ancestor know them. */
const thresholds = {
  errorRatePerMinute: 10,
  errors: { warning: 10, critical: 100 },
  lagEvents: { warning: 1_000, critical: 10_000 },
  deadLetters: { warning: 10, critical: 100 },
  stalledAfterSeconds: 30,
} as const;

/** The worker beats every `limits.beatMs`; so many missed beats are not jitter. */
const BEAT_LATE_MS = 3_000;

type Level = { readonly warning: number; readonly critical: number };
type StoredSubscription = DatabaseHealth["subscriptions"][number];
type ReportedSubscription = ProcessView["worker"]["subscriptions"][number];

const levelOf = (value: number, level: Level): HealthStatus => {
  if (value >= level.critical) return "unhealthy";
  return value >= level.warning ? "degraded" : "healthy";
};

const worst = (statuses: readonly HealthStatus[]): HealthStatus => {
  if (statuses.includes("unhealthy")) return "unhealthy";
  return statuses.includes("degraded") ? "degraded" : "healthy";
};

const sum = (values: readonly number[]): number => values.reduce((left, right) => left + right, 0);

const timestamp = (nowMs: number): string => new Date(nowMs).toISOString();

/** What is true of one subscription: the database first, then what its holder says. */
function subscriptionHealth(
  stored: StoredSubscription,
  reported: ReportedSubscription | undefined,
  { head, running }: { head: number; running: boolean },
): SubscriptionHealth {
  const lagEvents = Math.max(0, head - stored.position);
  // It may have been still for hours because there was nothing to do: what counts is both.
  const stillSeconds = Math.min(stored.stillSeconds, stored.lagSeconds);
  const stalled = lagEvents > 0 && stillSeconds >= thresholds.stalledAfterSeconds;
  const elsewhere = lagEvents === 0 ? "live" : "catching_up";
  const own = running && reported?.held === true ? reported.state : undefined;
  const state = stalled ? "stalled" : (own ?? (stored.leased ? elsewhere : "stopped"));
  const eventsFailed = reported?.eventsFailed ?? 0;
  const errorRatePerMinute = reported?.errorsLastMinute ?? 0;
  const status = worst([
    stalled || state === "error" || state === "stopped" ? "unhealthy" : "healthy",
    levelOf(lagEvents, thresholds.lagEvents),
    levelOf(stored.deadLetters, thresholds.deadLetters),
    levelOf(eventsFailed, thresholds.errors),
    errorRatePerMinute >= thresholds.errorRatePerMinute ? "degraded" : "healthy",
  ]);
  return {
    name: stored.name,
    partition: stored.partition,
    status,
    state,
    position: stored.position,
    head,
    lagEvents,
    lagSeconds: stored.lagSeconds,
    eventsProcessed: stored.eventsProcessed,
    eventsFailed,
    errorRatePerMinute,
    deadLetters: stored.deadLetters,
    lastProgressAt: stored.lastProgressAt,
    lastError: reported?.lastError ?? null,
  };
}

const isRunning = ({ worker }: ProcessView): boolean =>
  worker.state === "running" && worker.silentMs < BEAT_LATE_MS;

/** The report where the database answered, or the code of why it did not. */
function healthReport(
  database: DatabaseHealth | string,
  process: ProcessView,
  nowMs: number,
): HealthReport {
  const running = isRunning(process);
  const { worker, startedAtMs } = process;
  const reached = typeof database !== "string";
  const subscriptions = (reached ? database.subscriptions : []).map((stored) =>
    subscriptionHealth(
      stored,
      worker.subscriptions.find(({ name }) => name === stored.name),
      { head: reached ? database.head : 0, running },
    ),
  );
  const count = (status: HealthStatus): number =>
    subscriptions.filter((subscription) => subscription.status === status).length;
  const own = reached && running ? "healthy" : "unhealthy";
  const clock = reached ? clockHealth(database.clock) : undefined;
  const partitions = reached ? partitionHealth(database.partitions) : undefined;
  return {
    status: worst([
      own,
      clock?.status ?? "unhealthy",
      partitions?.status ?? "unhealthy",
      ...subscriptions.map(({ status }) => status),
    ]),
    running,
    subscriptionCount: subscriptions.length,
    healthyCount: count("healthy"),
    degradedCount: count("degraded"),
    unhealthyCount: count("unhealthy"),
    totalEventsProcessed: sum(subscriptions.map(({ eventsProcessed }) => eventsProcessed)),
    totalEventsFailed: sum(subscriptions.map(({ eventsFailed }) => eventsFailed)),
    totalLagEvents: sum(subscriptions.map(({ lagEvents }) => lagEvents)),
    uptimeSeconds: (nowMs - startedAtMs) / 1000,
    timestamp: timestamp(nowMs),
    database: reached
      ? {
          reachable: true,
          head: database.head,
          durable: isDurable(database),
          ...database.settings,
          clock: clock?.report,
        }
      : { reachable: false, error: database },
    partitions: partitions?.report ?? {},
    subscriptions,
  };
}

const isDurable = ({ settings }: DatabaseHealth): boolean =>
  settings.fsync === "on" && settings.fullPageWrites === "on";

/** Alive while this process can make progress; the platform replaces it otherwise. */
function livenessReport({ worker }: ProcessView, nowMs: number): LivenessReport {
  const alive = worker.state !== "given-up";
  return {
    alive,
    reason: alive ? "ok" : "the worker crashed too often",
    details: {
      worker: worker.state,
      workerSilentMs: Math.round(worker.silentMs),
      workerCrashes: worker.crashes,
    },
    timestamp: timestamp(nowMs),
  };
}

/** Looks at the database; everybody who asks while a look is under way gets the same one. */
function createLook(pool: Pool, clock: Clock) {
  let underWay: Promise<DatabaseHealth | string> | undefined;
  const look = async (): Promise<DatabaseHealth | string> => {
    try {
      return await readHealth(pool, clock, limits.healthMs);
    } catch (error) {
      if (error instanceof VarveError) return error.code;
      throw error;
    } finally {
      underWay = undefined;
    }
  };
  return async (): Promise<DatabaseHealth | string> => {
    underWay ??= look();
    const late = sleep(limits.healthMs).then(() => "database-timeout");
    return Promise.race([underWay, late]);
  };
}

/** Makes the three reports. `pool` should be one that nobody else uses. */
export function createHealth(pool: Pool, view: () => ProcessView, clock: Clock): Health {
  const look = createLook(pool, clock);

  const notReady = async (): Promise<string | undefined> => {
    if (view().draining) return "shutting down";
    const database = await look();
    if (typeof database === "string") return database;
    const clock = clockHealth(database.clock);
    if (clock.status === "unhealthy") return clock.report.reason ?? undefined;
    const partitions = partitionHealth(database.partitions);
    if (partitions.status === "unhealthy") return partitions.report.reason ?? undefined;
    return isRunning(view()) ? undefined : "the worker is not running";
  };

  return {
    report: async () => healthReport(await look(), view(), clock()),
    liveness: () => livenessReport(view(), clock()),
    readiness: async () => {
      const reason = await notReady();
      return {
        ready: reason === undefined,
        reason: reason ?? "ok",
        details: { worker: view().worker.state },
        timestamp: timestamp(clock()),
      };
    },
  };
}
