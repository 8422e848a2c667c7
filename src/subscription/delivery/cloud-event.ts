/**
 * An event as other systems receive it: CloudEvents 1.0, one JSON object (structured mode).
 *
 * What it promises: the same event gives the same object at every attempt, so that `id`, which is the
 * event's own, is enough to recognise it by. Attribute values keep to the types of the specification.
 *
 * What it relies on: the event as this program knows it, upcast; sealed values are strings like any
 * others here.
 *
 * What it does not do: it adds nothing of `metadata` but the trace. Who asked for a command is
 * nobody's business outside.
 */
import type { RecordedEvent } from "#domain/decider.ts";
import { streamName } from "#kernel/ids.ts";

/** An event of the log, as the store reads it or as the domain knows it. */
export type PublishedEvent = RecordedEvent & {
  readonly schemaVersion?: number;
  readonly metadata?: Readonly<Record<string, unknown>>;
};

/** The attributes of CloudEvents 1.0.2, and extensions of the last block. */
export type CloudEvent = {
  readonly specversion: "1.0";
  readonly id: string;
  readonly source: string;
  /** `varve.Order.OrderCreated`. */
  readonly type: string;
  readonly subject: string;
  /** RFC 3339, UTC with microseconds: when the log took it in. */
  readonly time: string;
  readonly datacontenttype: "application/json";
  readonly data: unknown;

  /** The official extension: events with the same key belong in one partition of a broker. */
  readonly partitionkey: string;
  readonly position: string;
  readonly streamversion: number;
  /** The version of the payload's schema. */
  readonly schemaversion?: number;
  /** The official extension: the trace of the command. */
  readonly traceparent?: string;
};

/** What every `type` begins with; the aggregate's type and the event's follow. */
export const typePrefix = "varve.";

/**
 * Digits of the greatest safe integer. An Integer of CloudEvents ends at 2^31 − 1, which a busy log
 * passes, so that a position is text, of one length: text order is then number order.
 */
const positionDigits = 16;

/** Source: W3C Trace Context. */
const traceparentForm = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The event of a source, which is a URI reference. */
export function cloudEventOf(event: PublishedEvent, source: string): CloudEvent {
  const { aggregateType, aggregateId, schemaVersion, metadata } = event;
  const stream = streamName(aggregateType, aggregateId);
  const trace = metadata?.["traceparent"];
  const isTrace = typeof trace === "string" && traceparentForm.test(trace);
  return {
    specversion: "1.0",
    id: event.eventId,
    source,
    type: `${typePrefix}${aggregateType}.${event.type}`,
    subject: stream,
    time: event.createdAt,
    datacontenttype: "application/json",
    partitionkey: stream,
    position: String(event.position).padStart(positionDigits, "0"),
    streamversion: event.version,
    ...(schemaVersion === undefined ? {} : { schemaversion: schemaVersion }),
    ...(isTrace ? { traceparent: trace } : {}),
    data: event.payload,
  };
}
