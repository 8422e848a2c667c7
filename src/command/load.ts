import type { AnyAggregate, RecordedEvent } from "#domain/decider.ts";
import { invariant, VarveError } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";
import { readStream, type StoredEvent } from "#store/events.ts";
import type { Pool } from "#store/pool.ts";

/** An aggregate as its events make it. `version` and `position` are 0 where there is no stream. */
export type Loaded = {
  readonly state: unknown;
  readonly version: number;
  readonly position: number;
};

/** An event of the log as the domain sees it. Throws `schema-behind` for a type it does not know. */
export function recordedEvent(aggregate: AnyAggregate, stored: StoredEvent): RecordedEvent {
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
 * Folds the stream of one aggregate, a page at a time, so that a long stream costs no more memory
 * than a short one. The versions must follow each other without a gap: anything else is a defect.
 */
export async function loadAggregate(
  pool: Pool,
  aggregate: AnyAggregate,
  aggregateId: string,
): Promise<Loaded> {
  let loaded: Loaded = { state: aggregate.decider.initialState, version: 0, position: 0 };
  for (;;) {
    const page = await readStream(pool, {
      aggregateType: aggregate.type,
      aggregateId,
      fromVersion: loaded.version + 1,
      toVersion: Number.MAX_SAFE_INTEGER,
      limit: limits.readEvents,
    });
    for (const stored of page) {
      invariant(stored.version === loaded.version + 1, "a stream has a gap");
      loaded = {
        state: aggregate.decider.evolve(loaded.state, recordedEvent(aggregate, stored)),
        version: stored.version,
        position: stored.position,
      };
    }
    if (page.length < limits.readEvents) return loaded;
  }
}
