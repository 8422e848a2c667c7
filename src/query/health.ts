/**
 * Health: what an operator may believe.
 *
 * What it promises: what is said of subscriptions comes from the database, never from this process,
 * so that every instance says the same; whether this process works comes from its worker's beats.
 * Every answer comes within `limits.healthMs`, also where the database hangs.
 *
 * What it relies on: a connection of its own, so that a full pool cannot hide the truth, and what
 * holders write of themselves when they renew their leases.
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
import {
  worst,
  type HealthReport,
  type HealthStatus,
  type LivenessReport,
  type ReadinessReport,
} from "./health-report.ts";
import { partitionHealth } from "./partition-health.ts";
import {
  haltedOf,
  subscriptionGauges,
  subscriptionHealth,
  type SubscriptionGauge,
} from "./subscription-health.ts";

/** What the process says of itself. */
export type ProcessView = {
  readonly startedAtMs: number;
  readonly draining: boolean;
  readonly worker: {
    readonly state: "starting" | "running" | "draining" | "stopped" | "given-up";
    readonly silentMs: number;
    readonly crashes: number;
  };
};

export type Health = {
  readonly report: () => Promise<HealthReport>;
  readonly readiness: () => Promise<ReadinessReport>;
  readonly liveness: () => LivenessReport;
  /** For metrics; none where the database does not answer. */
  readonly gauges: () => Promise<readonly SubscriptionGauge[]>;
};

/** The worker beats every `limits.beatMs`; so many missed beats are not jitter. */
const BEAT_LATE_MS = 3_000;

const sum = (values: readonly number[]): number => values.reduce((left, right) => left + right, 0);

const timestamp = (nowMs: number): string => new Date(nowMs).toISOString();

const isRunning = ({ worker }: ProcessView): boolean =>
  worker.state === "running" && worker.silentMs < BEAT_LATE_MS;

/** The report where the database answered, or the code of why it did not. */
function healthReport(
  database: DatabaseHealth | string,
  process: ProcessView,
  nowMs: number,
): HealthReport {
  const running = isRunning(process);
  const reached = typeof database !== "string";
  const subscriptions = (reached ? database.subscriptions : []).map((stored) =>
    subscriptionHealth(stored, reached ? database.head : 0),
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
    uptimeSeconds: (nowMs - process.startedAtMs) / 1000,
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

/** Why requests should go elsewhere; undefined where they should not. */
function notReady(database: DatabaseHealth | string, process: ProcessView): string | undefined {
  if (typeof database === "string") return database;
  const clock = clockHealth(database.clock);
  if (clock.status === "unhealthy") return clock.report.reason ?? undefined;
  const partitions = partitionHealth(database.partitions);
  if (partitions.status === "unhealthy") return partitions.report.reason ?? undefined;
  if (!isRunning(process)) return "the worker is not running";
  const halted = haltedOf(database.subscriptions);
  return halted.length > 0 ? `halted in front of an event: ${halted.join(", ")}` : undefined;
}

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

  return {
    report: async () => healthReport(await look(), view(), clock()),
    liveness: () => livenessReport(view(), clock()),
    readiness: async () => {
      const reason = view().draining ? "shutting down" : notReady(await look(), view());
      return {
        ready: reason === undefined,
        reason: reason ?? "ok",
        details: { worker: view().worker.state },
        timestamp: timestamp(clock()),
      };
    },
    gauges: async () => {
      const database = await look();
      if (typeof database === "string") return [];
      return subscriptionGauges(database.subscriptions, database.head);
    },
  };
}
