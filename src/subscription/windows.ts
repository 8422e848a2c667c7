/**
 * Windows: stretches of the log without a gap, read once and held for a while.
 */
import type { RecordedEvent } from "#domain/decider.ts";
import { type EventTypes, upcast } from "#domain/upcast.ts";
import { invariant, type VarveError } from "#kernel/errors.ts";
import { streamName } from "#kernel/ids.ts";
import type { Result } from "#kernel/result.ts";
import type { StoredEvent, SubscriptionPage } from "#store/events.ts";

/** Events of one that are held, and stored bytes of their payloads: some pages, so that those who
 * follow each other closely share it. */
const WINDOW_EVENTS = 4_000;
const WINDOW_BYTES = 4 * 1024 * 1024;

/** What a subscription wants; undefined for all. */
export type Filter = {
  readonly types: ReadonlySet<string> | undefined;
  readonly aggregateTypes: ReadonlySet<string> | undefined;
};

/** An event of the log, and what this program makes of it, found out once for all who ask. */
export type PageEvent = {
  readonly stored: StoredEvent;
  readonly stream: string;
  readonly read: () => Result<RecordedEvent, VarveError>;
};

export type Page = {
  readonly events: readonly PageEvent[];
  /** Nothing else is wanted up to here, inclusive. The position that was asked for at the head. */
  readonly reached: number;
};

/** What is held of the log; `filter` says which of its events. */
export type Window = {
  readonly filter: Filter;
  /** Exclusive. */
  from: number;
  /** Inclusive. */
  to: number;
  events: readonly PageEvent[];
  /** Stored bytes of each event's payload. */
  bytes: readonly number[];
  growing: Promise<void> | undefined;
  usedAt: number;
};

export const everything: Filter = { types: undefined, aggregateTypes: undefined };

const contains = (
  whole: ReadonlySet<string> | undefined,
  part: ReadonlySet<string> | undefined,
): boolean => whole === undefined || (part !== undefined && part.isSubsetOf(whole));

/** Whether whoever reads with the one finds everything that the other wants. */
export const covers = (wide: Filter, narrow: Filter): boolean =>
  contains(wide.types, narrow.types) && contains(wide.aggregateTypes, narrow.aggregateTypes);

/** What at least one of them holds; undefined for all. */
export const joined = (
  sets: readonly (ReadonlySet<string> | undefined)[],
): ReadonlySet<string> | undefined =>
  sets.reduce((all, one) => (all === undefined || one === undefined ? undefined : all.union(one)));

export const wants = (
  { types, aggregateTypes }: Filter,
  { type, aggregateType }: Pick<StoredEvent, "type" | "aggregateType">,
): boolean =>
  (types === undefined || types.has(type)) &&
  (aggregateTypes === undefined || aggregateTypes.has(aggregateType));

/** The event, read when somebody asks for it. */
export function pageEvent(eventTypes: EventTypes, stored: StoredEvent): PageEvent {
  let result: Result<RecordedEvent, VarveError> | undefined;
  return {
    stored,
    stream: streamName(stored.aggregateType, stored.aggregateId),
    read: () => (result ??= upcast(eventTypes.get(stored.type), stored)),
  };
}

/** The index of the first event after the position. */
function firstAfter(events: readonly PageEvent[], position: number): number {
  let [low, high] = [0, events.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((events[middle]?.stored.position ?? 0) > position) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** What a window holds after the position. */
export function pageOf(window: Window, after: number, limit: number, filter: Filter): Page {
  const events: PageEvent[] = [];
  for (let at = firstAfter(window.events, after); at < window.events.length; at += 1) {
    const event = window.events[at];
    if (event === undefined || !wants(filter, event.stored)) continue;
    events.push(event);
    if (events.length === limit) return { events, reached: event.stored.position };
  }
  return { events, reached: window.to };
}

/** Makes the window longer by what was read after its end. Throws a Defect where the log has a gap. */
export function extend(window: Window, page: SubscriptionPage, eventTypes: EventTypes): void {
  const after = window.to;
  if (window.filter === everything) {
    const positions = page.events.map(({ position }) => position);
    const isDense = positions.every((position, index) => position === after + 1 + index);
    invariant(isDense && page.scannedTo === after + positions.length, "the log has a gap");
  }
  const read = page.events.map((event) => pageEvent(eventTypes, event));
  window.events = [...window.events, ...read];
  window.bytes = [...window.bytes, ...page.bytes.slice(0, read.length)];
  window.to = page.scannedTo;
  cutFront(window);
}

/** An empty one that begins after the position. */
export const emptyWindow = (after: number, filter: Filter): Window => ({
  filter,
  from: after,
  to: after,
  events: [],
  bytes: [],
  growing: undefined,
  usedAt: 0,
});

/** Lets go of the oldest events, down to the limits. */
function cutFront(window: Window): void {
  let [dropped, held] = [0, sum(window.bytes)];
  const isTooMuch = (): boolean =>
    window.events.length - dropped > WINDOW_EVENTS || held > WINDOW_BYTES;
  while (window.events.length - dropped > 1 && isTooMuch()) {
    held -= window.bytes[dropped] ?? 0;
    dropped += 1;
  }
  const last = window.events[dropped - 1];
  if (last === undefined) return;
  window.from = last.stored.position;
  window.events = window.events.slice(dropped);
  window.bytes = window.bytes.slice(dropped);
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);
