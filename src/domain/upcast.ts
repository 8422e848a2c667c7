/**
 * Upcasting: a stored event, whichever version its schema had then, as this program knows it now.
 *
 * What it is: an event type has a version and one upcaster for each version before it; a stored
 * payload goes through those that lie between its version and today's, step by step, on every read.
 *
 * What it promises: what is stored is never rewritten. An event that this program cannot read is a
 * value that says why, so that a reader that does not want it goes on.
 *
 * What it relies on: upcasters are pure, total and do not change their argument. Their results are
 * trusted, because payloads were checked when they were appended: to fold an event takes 0.2 µs, to
 * check it 2 µs, and 50 µs for an order of 20 lines. `varve doctor --history` checks every stored
 * event against today's schemas.
 *
 * How it fails: `schema-behind` for a type that nobody declares, one of another aggregate type, or a
 * version that no upcaster leads on from (this program is older than the log); `upcast-failed` where
 * an upcaster throws. A declaration that lacks a step is a Defect.
 *
 * What it does not do: add, drop, split or reorder events. One stored event is one event.
 */
import { invariant, VarveError } from "#kernel/errors.ts";
import { accept, refuse, type Result } from "#kernel/result.ts";

import type { AnyAggregate, EventDefinition, RecordedEvent } from "./decider.ts";

/** An event as it was stored, whichever version its schema had then. */
export type PastEvent = RecordedEvent & { readonly schemaVersion: number };

/** An event type and the aggregate type whose streams may hold it. */
export type DeclaredEvent = {
  readonly aggregateType: string;
  readonly definition: EventDefinition;
};

/** Every event type that is declared; types are the whole service's. */
export type EventTypes = ReadonlyMap<string, DeclaredEvent>;

/** The event types of all aggregates. */
export const eventTypesOf = (aggregates: readonly AnyAggregate[]): EventTypes =>
  new Map(
    aggregates.flatMap(({ type: aggregateType, events }) =>
      Object.entries(events).map(([type, definition]) => [type, { aggregateType, definition }]),
    ),
  );

/**
 * Throws a Defect for a version that is not 1, 2, 3 …, a step that is missing between version 1 and
 * today's, or one too many.
 */
export function assertUpcasters(events: Readonly<Record<string, EventDefinition>>): void {
  for (const [type, { version, upcasters = {} }] of Object.entries(events)) {
    invariant(Number.isSafeInteger(version) && version >= 1, `${type} has no version`);
    for (let from = 1; from < version; from += 1) {
      invariant(Object.hasOwn(upcasters, from), `${type} has no upcaster from version ${from}`);
    }
    const surplus = Object.keys(upcasters).find((from) => !isEarlier(from, version));
    invariant(surplus === undefined, `${type} ${version} has an upcaster from version ${surplus}`);
  }
}

const isEarlier = (from: string, version: number): boolean =>
  /^[1-9]\d*$/.test(from) && Number(from) < version;

/** The event as this program knows it, or why it cannot be read. Never throws. */
export function upcast(
  declared: DeclaredEvent | undefined,
  stored: PastEvent,
): Result<PastEvent, VarveError> {
  const { aggregateType, definition } = declared ?? {};
  if (definition === undefined || aggregateType !== stored.aggregateType) {
    return refuse(unreadable("schema-behind", stored));
  }
  const { version, upcasters = {} } = definition;
  if (stored.schemaVersion === version) return accept(stored);
  let payload: unknown = stored.payload;
  for (let from = stored.schemaVersion; from !== version; from += 1) {
    const step = upcasters[from];
    if (step === undefined) return refuse(unreadable("schema-behind", stored));
    try {
      payload = step(payload as never);
    } catch (error) {
      return refuse(unreadable("upcast-failed", stored, error));
    }
  }
  return accept({ ...stored, payload, schemaVersion: version });
}

function unreadable(
  code: "schema-behind" | "upcast-failed",
  { type, schemaVersion, position }: PastEvent,
  cause?: unknown,
): VarveError {
  const message =
    code === "schema-behind"
      ? "an event is newer than this program"
      : "an event of an earlier version cannot be read by this program";
  return new VarveError(code, message, { eventType: type, schemaVersion, position }, cause);
}
