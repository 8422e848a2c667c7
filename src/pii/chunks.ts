import { limits } from "#kernel/limits.ts";

/**
 * Results in the order of the items. Runs `limits.cryptoChunk` at a time: together they cost a
 * fifth of what one after the other does, all at once they would stall the thread. Between two
 * chunks it waits for other threads, so that timers and sockets have their turn. The first rejection
 * rejects the whole.
 */
export async function mapInChunks<Item, Outcome>(
  items: readonly Item[],
  run: (item: Item) => Promise<Outcome>,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (let start = 0; start < items.length; start += limits.cryptoChunk) {
    const chunk = items.slice(start, start + limits.cryptoChunk);
    outcomes.push(...(await Promise.all(chunk.map(run))));
  }
  return outcomes;
}
