/** What one piece of work says about going on. */
export type Step = "continue" | "stop";

/**
 * Works through the items: those of one customer strictly one after the other in their order,
 * those of different customers side by side, at most `concurrency` at a time. Items are started
 * as near to their order as that allows, so that a customer with a long history starts early and
 * nobody is left to finish it alone. After the first "stop" nothing new is started; what runs is
 * awaited. Rejects with the first rejection of `work`, also after the rest has settled.
 */
export async function inOrderPerCustomer<Item extends { readonly customerId: string }>(
  items: readonly Item[],
  concurrency: number,
  work: (item: Item) => Promise<Step>,
): Promise<void> {
  const waiting = new Map<string, Item[]>();
  let next = 0;
  let stopped = false;

  /** The next item of a customer whom nobody works for; those passed over wait their turn. */
  const takeNew = (): Item | undefined => {
    while (next < items.length) {
      const item = items[next];
      next += 1;
      if (item === undefined) return undefined;
      const queue = waiting.get(item.customerId);
      if (queue === undefined) {
        waiting.set(item.customerId, []);
        return item;
      }
      queue.push(item);
    }
    return undefined;
  };

  const serve = async (first: Item): Promise<void> => {
    let item: Item | undefined = first;
    while (item !== undefined && !stopped) {
      if ((await work(item)) === "stop") stopped = true;
      item = waiting.get(first.customerId)?.shift();
    }
    waiting.delete(first.customerId);
  };

  const lane = async (): Promise<void> => {
    try {
      for (let item = takeNew(); item !== undefined && !stopped; item = takeNew())
        await serve(item);
    } catch (error) {
      stopped = true;
      throw error;
    }
  };

  const lanes = await Promise.allSettled(Array.from({ length: concurrency }, lane));
  for (const settled of lanes) if (settled.status === "rejected") throw settled.reason;
}
