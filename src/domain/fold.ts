import { invariant, VarveError } from "#kernel/errors.ts";

import type { AnyAggregate, RecordedEvent } from "./decider.ts";

/** An event as it was stored, whichever version its schema had then. */
export type PastEvent = RecordedEvent & { readonly schemaVersion: number };

/** An aggregate as its events make it. `version` and `position` are 0 where there is no stream. */
export type Folded = {
  readonly state: unknown;
  readonly version: number;
  readonly position: number;
};

/** The state before the first event. */
export const nothingFolded = (aggregate: AnyAggregate): Folded => ({
  state: aggregate.decider.initialState,
  version: 0,
  position: 0,
});

/** A stored event as the domain sees it. Throws `schema-behind` for a type it does not know. */
export function recordedEvent(aggregate: AnyAggregate, stored: PastEvent): RecordedEvent {
  const known = aggregate.events[stored.type];
  if (known === undefined || known.version < stored.schemaVersion) {
    throw new VarveError("schema-behind", "an event is newer than this program", {
      eventType: stored.type,
      schemaVersion: stored.schemaVersion,
      position: stored.position,
    });
  }
  return stored;
}

/**
 * The state after further events of the stream, ascending by version. They must follow what is
 * folded, and each other, without a gap: anything else is a defect.
 */
export function fold(aggregate: AnyAggregate, from: Folded, events: readonly PastEvent[]): Folded {
  let { state, version, position } = from;
  for (const stored of events) {
    invariant(stored.version === version + 1, "a stream has a gap");
    state = aggregate.decider.evolve(state, recordedEvent(aggregate, stored));
    ({ version, position } = stored);
  }
  return { state, version, position };
}
