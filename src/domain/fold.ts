import { Defect } from "#kernel/errors.ts";

import type { AnyAggregate, RecordedEvent } from "./decider.ts";
import { type PastEvent, upcast } from "./upcast.ts";

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

/** A stored event as the domain knows it today. Throws `schema-behind` and `upcast-failed`. */
export function recordedEvent(aggregate: AnyAggregate, stored: PastEvent): RecordedEvent {
  const { type: aggregateType, events } = aggregate;
  const definition = events[stored.type];
  const read = upcast(definition && { aggregateType, definition }, stored);
  if (!read.ok) throw read.error;
  return read.value;
}

/** Ids are a caller's and stay out of it; the position leads to the stream. */
function gap({ type }: AnyAggregate, after: number, { version, position }: PastEvent): Defect {
  const where = `version ${version}, at position ${position}, follows version ${after}`;
  return new Defect(`a stream of ${type} has a gap: ${where}: run \`varve verify\``);
}

/**
 * The state after further events of the stream, ascending by version. They must follow what is
 * folded, and each other, without a gap: anything else is a defect.
 */
export function fold(aggregate: AnyAggregate, from: Folded, events: readonly PastEvent[]): Folded {
  let { state, version, position } = from;
  for (const stored of events) {
    if (stored.version !== version + 1) throw gap(aggregate, version, stored);
    state = aggregate.decider.evolve(state, recordedEvent(aggregate, stored));
    ({ version, position } = stored);
  }
  return { state, version, position };
}
