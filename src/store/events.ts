import { limits } from "#kernel/limits.ts";

import type { Pool, Row } from "./pool.ts";
import { queries } from "./statements.ts";

/** Stored bytes of one page for subscriptions; as JSON they are ten times as many at worst. */
const SUBSCRIPTION_PAGE_BYTES = 2 * 1024 * 1024;

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

const rangeParameters = (range: StreamRange) => [
  range.aggregateType,
  range.aggregateId,
  range.fromVersion,
  range.toVersion,
  range.limit,
  range.newestFirst ?? false,
  range.since ?? null,
  range.until ?? null,
];

/**
 * Events of one stream in order of version. Empty where there is no such stream or version. Throws
 * `partition-archived` where wanted events are not attached; its context names the partitions.
 */
export async function readStream(pool: Pool, range: StreamRange): Promise<readonly StoredEvent[]> {
  const rows = await pool.query<EventRow>(queries.readStream, rangeParameters(range));
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

/** A page that ends before its limit where the payloads are large. */
export type StreamPage = {
  readonly events: readonly StoredEvent[];
  /** Whether the limit or the bytes ended it, so that there may be more. */
  readonly isCut: boolean;
  /** The version of the whole stream, whatever was asked for. */
  readonly streamVersion: number;
  /** The last position of the log at the moment of the answer. */
  readonly head: number;
};

/** What is known beside the events: how many were found before the bytes cut them, if any. */
type Counted = Row & { readonly head: number; readonly found: number | null };

/** A row with an event unless there is none. */
type MaybeEventRow = EventRow | (Row & { readonly position: null });

function eventsOf(rows: readonly (Counted & MaybeEventRow)[], limit: number) {
  const events = rows.filter((row): row is Counted & EventRow => row.position !== null);
  const isCut = events.length === limit || events.length < (rows[0]?.found ?? 0);
  return { events: events.map(eventOf), isCut };
}

/**
 * As `readStream`, but for its bytes: a page has at least one event of those that fit. Undefined
 * where there is no such stream.
 */
export async function readStreamPage(
  pool: Pool,
  range: StreamRange,
): Promise<StreamPage | undefined> {
  type Known = Counted & { readonly stream_version: number };
  const rows = await pool.query<Known & MaybeEventRow>(queries.readStreamPage, [
    ...rangeParameters(range),
    limits.pageBytes,
  ]);
  const [first] = rows;
  if (first === undefined) return undefined;
  const { stream_version: streamVersion, head } = first;
  return { ...eventsOf(rows, range.limit), streamVersion, head };
}

export type LogPageRequest = {
  /** Exclusive. */
  readonly after: number;
  /** 1..1000. */
  readonly limit: number;
  /** Only these; undefined for all. */
  readonly types?: readonly string[] | undefined;
};

/** A page of the log. It can be empty before the head where types were named: it says how far. */
export type LogPage = {
  readonly events: readonly StoredEvent[];
  /** Everything that was asked for up to here is in this page or an earlier one. */
  readonly scannedTo: number;
  /** The last position of the log at the moment of the answer. */
  readonly head: number;
};

/**
 * Events after a position, ascending, bounded in number, bytes and positions that are looked at.
 * Throws `partition-archived` where it comes to a partition that is not attached.
 */
export async function readLogPage(pool: Pool, request: LogPageRequest): Promise<LogPage> {
  const { after, limit, types } = request;
  const rows = await pool.query<Counted & MaybeEventRow>(queries.readLogPage, [
    after,
    limit,
    types === undefined ? null : JSON.stringify(types),
    limits.pagePositions,
    limits.pageBytes,
  ]);
  return pageOf(rows, request);
}

function pageOf(
  rows: readonly (Counted & MaybeEventRow)[],
  { after, limit }: Pick<LogPageRequest, "after" | "limit">,
): LogPage {
  const head = rows[0]?.head ?? 0;
  const { events, isCut } = eventsOf(rows, limit);
  const last = events.at(-1)?.position ?? after;
  const scannedTo = isCut ? last : Math.max(after, Math.min(head, after + limits.pagePositions));
  return { events, scannedTo, head };
}

export type SubscriptionPageRequest = LogPageRequest & {
  /** Only streams of these; undefined for all. */
  readonly aggregateTypes?: readonly string[] | undefined;
};

/** A page with the stored bytes of each event's payload, in the order of the events. */
export type SubscriptionPage = LogPage & { readonly bytes: readonly number[] };

/**
 * As `readLogPage`, for subscriptions: bounded by the stored size of payloads, which is known
 * without reading them.
 */
export async function readSubscriptionPage(
  pool: Pool,
  { after, limit, types, aggregateTypes }: SubscriptionPageRequest,
): Promise<SubscriptionPage> {
  type Sized = Counted & MaybeEventRow & { readonly bytes: number | null };
  const rows = await pool.query<Sized>(queries.readSubscriptionPage, [
    after,
    limit,
    types === undefined ? null : JSON.stringify(types),
    aggregateTypes === undefined ? null : JSON.stringify(aggregateTypes),
    limits.pagePositions,
    SUBSCRIPTION_PAGE_BYTES,
  ]);
  return { ...pageOf(rows, { after, limit }), bytes: rows.map(({ bytes }) => bytes ?? 0) };
}

/** The last position of the log; 0 before the first event. */
export async function readHead(pool: Pool, deadlineMs?: number): Promise<number> {
  const [row] = await pool.query<{ position: number }>(queries.readHead, [], deadlineMs);
  return row?.position ?? 0;
}
