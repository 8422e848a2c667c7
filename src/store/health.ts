import type { Clock } from "#kernel/clock.ts";

import { clockText } from "./clock.ts";
import type { Pool, Row } from "./pool.ts";
import { queries } from "./statements.ts";

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
  readonly subscriptions: readonly {
    readonly name: string;
    readonly partition: number;
    readonly position: number;
    readonly eventsProcessed: number;
    readonly lastProgressAt: string;
    /** Since the last progress, by the database's own clock. */
    readonly stillSeconds: number;
    /** Age of the oldest event that has not taken effect; 0 at the head. */
    readonly lagSeconds: number;
    readonly deadLetters: number;
    /** Whether any instance holds the lease. */
    readonly leased: boolean;
  }[];
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
