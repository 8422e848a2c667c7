import type { Clock } from "#kernel/clock.ts";

import { clockText } from "./clock.ts";
import type { Pool, Row } from "./pool.ts";
import { queries } from "./statements.ts";

/**
 * What the holder of a partition said of it at the last renewal of its lease. Another release may
 * have written it: whatever is missing is not known.
 */
export type HolderReport = {
  readonly state?: string;
  /** It stopped in front of an event. */
  readonly halted?: boolean;
  /** Since the holder's start, and in the last minute. */
  readonly eventsFailed?: number;
  readonly errorsLastMinute?: number;
  /** A code, never a message. */
  readonly lastError?: string | null;
  readonly eventsPerSecond?: number;
};

/** One partition of a subscription. */
export type StoredSubscription = {
  readonly name: string;
  readonly partition: number;
  /** Whether somebody has deleted its checkpoint: nobody can hold it. */
  readonly missing: boolean;
  readonly kind: "view" | "reactor";
  /** Null of a reactor. */
  readonly role: "serving" | "building" | "previous" | null;
  readonly paused: boolean;
  readonly pauseReason: string | null;
  readonly position: number;
  /** It waits there for the others, until the number of partitions changes. */
  readonly atBarrier: boolean;
  readonly eventsProcessed: number;
  /** Null where its checkpoint is missing. */
  readonly lastProgressAt: string | null;
  /** Since the last progress, by the database's own clock. */
  readonly stillSeconds: number;
  /** Age of the oldest event that has not taken effect; 0 at the head. */
  readonly lagSeconds: number;
  /** Those that wait. */
  readonly deadLetters: number;
  readonly proofFaults: number;
  /** Whether any instance holds the lease. */
  readonly leased: boolean;
  /** Null before the holder's first; stale where it is not leased. */
  readonly report: HolderReport | null;
  /** It serves, and another definition of the view is being built. */
  readonly replacement: boolean;
};

/** What the database knows of the service's health, as of one moment. */
export type DatabaseHealth = {
  /** The last position of the log. */
  readonly head: number;
  readonly settings: {
    readonly fsync: string;
    readonly fullPageWrites: string;
    readonly synchronousCommit: string;
    readonly version: string;
  };
  readonly clock: {
    /** The database's clock less the application's. */
    readonly skewSeconds: number;
    /** No event is numbered: the database's clock is too far ahead to be believed. */
    readonly appendsStopped: boolean;
  };
  readonly partitions: {
    readonly attached: number;
    readonly newest: string | null;
    readonly closed: number;
    readonly archived: number;
    /** Half-way into an archive or back. */
    readonly underWay: readonly string[];
    /** The first month from now on without a partition, whatever comes after it; ISO 8601. */
    readonly nextMissing: string;
    readonly missingFrom: string;
    /** By the database's clock; below 0 where it is the month of now. */
    readonly missingInSeconds: number;
    /** Null before the first run. */
    readonly maintenance: {
      readonly lastRunAt: string;
      readonly lastError: string | null;
      readonly failures: number;
    } | null;
  };
  readonly subscriptions: readonly StoredSubscription[];
};

/** One look at the database within `deadlineMs`, compared with `clock`. Throws what the pool throws. */
export async function readHealth(
  pool: Pool,
  clock: Clock,
  deadlineMs: number,
): Promise<DatabaseHealth> {
  const parameters = [clockText(clock)];
  const [row] = await pool.query<Row & DatabaseHealth>(queries.readHealth, parameters, deadlineMs);
  if (row === undefined) throw new Error("the health query has one row");
  return row;
}
