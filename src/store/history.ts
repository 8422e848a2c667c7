import { limits } from "#kernel/limits.ts";

import { readAfter, type StoredEvent } from "./events.ts";
import { listPartitions, type Partition } from "./partitions/register.ts";
import type { Pool } from "./pool.ts";

/** A part of the log by the partition that holds it; positions inclusive. */
export type HistoryPart = Pick<Partition, "name" | "state"> & {
  readonly first: number;
  readonly last: number;
};

/** The parts of the log as it is now, the oldest first. Empty before the first event. */
export async function historyParts(pool: Pool): Promise<readonly HistoryPart[]> {
  const partitions = await listPartitions(pool);
  return partitions.flatMap(({ name, state, firstPosition: first, events }) =>
    first === null ? [] : [{ name, state, first, last: first + events - 1 }],
  );
}

/**
 * The events of an attached part, page by page; the next page is read while the caller looks at one.
 * Ends early where events are missing.
 */
export async function* readPart(
  pool: Pool,
  { first, last }: HistoryPart,
): AsyncGenerator<readonly StoredEvent[]> {
  const pageAfter = (position: number): Promise<readonly StoredEvent[]> => {
    const page = readAfter(pool, position, Math.min(limits.readEvents, last - position));
    // Whoever stops in the middle does not wait for it.
    page.catch(() => undefined);
    return page;
  };
  let next: Promise<readonly StoredEvent[]> | undefined = pageAfter(first - 1);
  while (next !== undefined) {
    const page: readonly StoredEvent[] = await next;
    const position = page.at(-1)?.position ?? last;
    next = position < last ? pageAfter(position) : undefined;
    yield page;
  }
}
