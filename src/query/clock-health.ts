import type { DatabaseHealth } from "#store/health.ts";

import type { HealthStatus } from "./health-report.ts";

/** What `/health` says of the database's clock. */
export type ClockHealth = {
  /** The database's clock less this process's, in seconds. */
  readonly skewSeconds: number;
  readonly appendsStopped: boolean;
  /** What is wrong, in words; null while the clocks agree. */
  readonly reason: string | null;
};

/** As in the function of the database that stops appends. */
const SKEW_SECONDS_MAX = 3_600;

/** A length of time as a person says it. */
function inWords(seconds: number): string {
  const hours = seconds / 3_600;
  return hours < 48 ? `${hours.toFixed(1)} hours` : `${(hours / 24).toFixed(1)} days`;
}

/**
 * Unhealthy where appends are stopped; degraded where the clocks disagree and appends go on, since
 * they will stop once the log has been silent for an hour, or the times of events are wrong.
 */
export function clockHealth({ skewSeconds, appendsStopped }: DatabaseHealth["clock"]): {
  readonly status: HealthStatus;
  readonly report: ClockHealth;
} {
  const side = skewSeconds > 0 ? "ahead of" : "behind";
  const differs = `the database's clock is ${inWords(Math.abs(skewSeconds))} ${side} this process's`;
  const report = (reason: string | null): ClockHealth => ({ skewSeconds, appendsStopped, reason });
  if (appendsStopped) {
    const why = `${differs}, and over an hour past the last event`;
    return { status: "unhealthy", report: report(`appends are stopped: ${why}`) };
  }
  if (Math.abs(skewSeconds) > SKEW_SECONDS_MAX) {
    return { status: "degraded", report: report(differs) };
  }
  return { status: "healthy", report: report(null) };
}
