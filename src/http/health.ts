import { sleep } from "#kernel/clock.ts";
import { limits } from "#kernel/limits.ts";
import type { HealthReport, LivenessReport, ReadinessReport } from "#query/health-report.ts";

import type { AppDependencies } from "./dependencies.ts";
import type { EdgeContext } from "./edge.ts";
import { metricsPath } from "./metrics.ts";
import type { Route } from "./routes.ts";

/** Where health is asked for; deployments name these. */
export const healthPaths = {
  health: "/health",
  ready: "/health/ready",
  live: "/health/live",
} as const;

const probes: readonly string[] = [...Object.values(healthPaths), metricsPath];

/** What machines ask again and again is answered while draining, and logged more quietly. */
export const isProbe = (path: string): boolean => probes.includes(path);

/** What health itself says of a database that hangs says more than silence: it comes first. */
const ANSWER_MS = limits.healthMs + 100;

type Silence = "timeout" | "failed";

/**
 * The work's answer, or what is told instead once it has failed or its time is over. All
 * who ask meanwhile share one run: anyone may ask, and a hung database must not collect askers.
 */
function bounded<Report>(
  work: () => Promise<Report>,
  instead: (silence: Silence, error?: unknown) => Report,
): () => Promise<Report> {
  let running: Promise<Report> | undefined;
  const run = async (): Promise<Report> => {
    const timer = new AbortController();
    const answer = Promise.resolve()
      .then(work)
      .catch((error: unknown) => instead("failed", error));
    try {
      const late = sleep(ANSWER_MS, timer.signal).then(() => undefined);
      return (await Promise.race([answer, late])) ?? instead("timeout");
    } finally {
      timer.abort();
      running = undefined;
    }
  };
  return () => (running ??= run());
}

const unknownHealth = (silence: Silence, uptimeMs: number, timestamp: string): HealthReport => ({
  status: "unhealthy",
  running: false,
  subscriptionCount: 0,
  healthyCount: 0,
  degradedCount: 0,
  unhealthyCount: 0,
  totalEventsProcessed: 0,
  totalEventsFailed: 0,
  totalLagEvents: 0,
  uptimeSeconds: Math.floor(uptimeMs / 1_000),
  timestamp,
  database: { status: "unknown", reason: silence },
  partitions: { status: "unknown", reason: silence },
  subscriptions: [],
});

/** The three routes, open to everyone; each answers in time, whatever hangs behind it. */
export function healthRoutes(dependencies: AppDependencies): readonly Route[] {
  const { clock, log } = dependencies;
  const startedMs = clock();
  const now = (): string => new Date(clock()).toISOString();
  const details = { limitMs: ANSWER_MS };

  const told = (silence: Silence, error: unknown): void => {
    if (silence === "failed") log.error({ error }, "a health check failed");
    else log.warn(details, "a health check took too long");
  };
  const health = bounded<HealthReport>(dependencies.health, (silence, error) => {
    told(silence, error);
    return unknownHealth(silence, clock() - startedMs, now());
  });
  const readiness = bounded<ReadinessReport>(dependencies.readiness, (silence, error) => {
    told(silence, error);
    return { ready: false, reason: silence, details, timestamp: now() };
  });
  const liveness = bounded<LivenessReport>(
    () => Promise.resolve().then(dependencies.liveness),
    (silence, error) => {
      told(silence, error);
      return { alive: false, reason: silence, details, timestamp: now() };
    },
  );

  const route = <Report extends object>(
    path: string,
    ask: () => Promise<Report>,
    isGood: (report: Report) => boolean,
  ): Route => ({
    method: "GET",
    path,
    scope: "public",
    answer: async (context: EdgeContext) => {
      const report = await ask();
      return context.json(report, isGood(report) ? 200 : 503);
    },
  });
  return [
    route(healthPaths.health, health, ({ status }) => status !== "unhealthy"),
    route(healthPaths.ready, readiness, ({ ready }) => ready),
    route(healthPaths.live, liveness, ({ alive }) => alive),
  ];
}
