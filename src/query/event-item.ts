import type { StoredEvent } from "#store/events.ts";

/** An event as the log tells it to callers: as it is stored, personal fields sealed. */
export type EventItem = Readonly<{
  id: string;
  type: string;
  schemaVersion: number;
  version: number;
  position: number;
  /** When the database took it in, and when it happened: ISO 8601 UTC with microseconds. */
  createdAt: string;
  timestamp: string;
  payload: unknown;
  metadata: unknown;
}>;

/** An event of one stream, which the answer names. */
export const eventItem = (event: StoredEvent): EventItem => ({
  id: event.eventId,
  type: event.type,
  schemaVersion: event.schemaVersion,
  version: event.version,
  position: event.position,
  createdAt: event.createdAt,
  timestamp: event.timestamp,
  payload: event.payload,
  metadata: event.metadata,
});

/** An event among those of all streams; its stream is named as in the log, `Order` and the id. */
export type LogItem = EventItem & Readonly<{ aggregateType: string; aggregateId: string }>;

export const logItem = (event: StoredEvent): LogItem => ({
  ...eventItem(event),
  aggregateType: event.aggregateType,
  aggregateId: event.aggregateId,
});
