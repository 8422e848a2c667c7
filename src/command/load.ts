import type { AnyAggregate } from "#domain/decider.ts";
import { fold, nothingFolded, type Folded } from "#domain/fold.ts";
import { limits } from "#kernel/limits.ts";
import { readStream } from "#store/events.ts";
import type { Pool } from "#store/pool.ts";

/**
 * Folds the stream of one aggregate, a page at a time, so that a long stream costs no more memory
 * than a short one. Throws `schema-behind`, and what the pool throws.
 */
export async function loadAggregate(
  pool: Pool,
  aggregate: AnyAggregate,
  aggregateId: string,
): Promise<Folded> {
  let loaded = nothingFolded(aggregate);
  for (;;) {
    const page = await readStream(pool, {
      aggregateType: aggregate.type,
      aggregateId,
      fromVersion: loaded.version + 1,
      toVersion: Number.MAX_SAFE_INTEGER,
      limit: limits.readEvents,
    });
    loaded = fold(aggregate, loaded, page);
    if (page.length < limits.readEvents) return loaded;
  }
}
