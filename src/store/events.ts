import type { Pool, Row } from "./pool.ts";
import { queries } from "./statements.ts";

/** An event as it is stored; times are ISO 8601 UTC with microseconds. */
export type StoredEvent = {
  readonly position: number;
  readonly createdAt: string;
  readonly eventId: string;
  readonly aggregateType: string;
  readonly aggregateId: string;
  readonly version: number;
  readonly type: string;
  readonly schemaVersion: number;
  readonly timestamp: string;
  readonly payload: unknown;
  readonly metadata: Readonly<Record<string, unknown>>;
};

/** An event as the columns of a statement give it. */
export type EventRow = Row & {
  readonly position: number;
  readonly created_at: string;
  readonly event_id: string;
  readonly aggregate_type: string;
  readonly aggregate_id: string;
  readonly version: number;
  readonly event_type: string;
  readonly schema_version: number;
  readonly timestamp: string;
  readonly payload: unknown;
  readonly metadata: Readonly<Record<string, unknown>>;
};

/** The event of its row. */
export const eventOf = (row: EventRow): StoredEvent => ({
  position: row.position,
  createdAt: row.created_at,
  eventId: row.event_id,
  aggregateType: row.aggregate_type,
  aggregateId: row.aggregate_id,
  version: row.version,
  type: row.event_type,
  schemaVersion: row.schema_version,
  timestamp: row.timestamp,
  payload: row.payload,
  metadata: row.metadata,
});

export type StreamRange = {
  readonly aggregateType: string;
  readonly aggregateId: string;
  /** Inclusive. */
  readonly fromVersion: number;
  /** Inclusive. */
  readonly toVersion: number;
  /** 1..1000. */
  readonly limit: number;
  /** The last events of the range instead of the first, descending by version. */
  readonly newestFirst?: boolean;
  /** ISO 8601; not after the first wanted event: months before it are not looked at. */
  readonly since?: string;
  /** ISO 8601, inclusive: only what was stored by then. */
  readonly until?: string;
};

/**
 * Events of one stream in order of version. Empty where there is no such stream or version. Throws
 * `partition-archived` where wanted events are not attached; its context names the partitions.
 */
export async function readStream(pool: Pool, range: StreamRange): Promise<readonly StoredEvent[]> {
  const rows = await pool.query<EventRow>(queries.readStream, [
    range.aggregateType,
    range.aggregateId,
    range.fromVersion,
    range.toVersion,
    range.limit,
    range.newestFirst ?? false,
    range.since ?? null,
    range.until ?? null,
  ]);
  return rows.map(eventOf);
}

/** Events after `position` (exclusive), ascending, at most `limit` (1..1000). Empty at the head. */
export async function readAfter(
  pool: Pool,
  position: number,
  limit: number,
): Promise<readonly StoredEvent[]> {
  const rows = await pool.query<EventRow>(queries.readAfter, [position, limit]);
  return rows.map(eventOf);
}
