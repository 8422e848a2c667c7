import type { DatabaseHealth } from "#store/health.ts";

import type { HealthStatus } from "./health-report.ts";

/** What `/health` says of the months of the log. */
export type PartitionHealth = Omit<
  DatabaseHealth["partitions"],
  "missingFrom" | "missingInSeconds"
> & {
  /** Months are there without a hole until then. ISO 8601. */
  readonly preparedUntil: string;
  /** What is wrong, in words; null where nothing is. */
  readonly reason: string | null;
};

const DAY_SECONDS = 86_400;
/** The upkeep makes months three ahead: whoever is this close has had no upkeep for months. */
const DEGRADED_BEFORE_SECONDS = 7 * DAY_SECONDS;
/** From here on somebody must act today. */
const NOT_READY_BEFORE_SECONDS = DAY_SECONDS;

/**
 * Unhealthy from a day before a month would be missed, degraded from a week before, or where the
 * upkeep fails. That the role does not own the partitions is a choice, not a failure.
 */
export function partitionHealth({
  missingFrom,
  missingInSeconds,
  ...known
}: DatabaseHealth["partitions"]): {
  readonly status: HealthStatus;
  readonly report: PartitionHealth;
} {
  const report = (reason: string | null): PartitionHealth => ({
    ...known,
    preparedUntil: missingFrom,
    reason,
  });
  const missing = `partition ${known.nextMissing} is missing from ${missingFrom} on`;
  if (missingInSeconds < NOT_READY_BEFORE_SECONDS) {
    return { status: "unhealthy", report: report(missing) };
  }
  if (missingInSeconds < DEGRADED_BEFORE_SECONDS) {
    return { status: "degraded", report: report(missing) };
  }
  const error = known.maintenance?.lastError ?? null;
  const fails = error !== null && error !== "not-owner";
  return {
    status: fails ? "degraded" : "healthy",
    report: report(error === null ? null : `upkeep: ${error}`),
  };
}
