/** Works in order for each key, side by side for different ones. */
export type Chains<Item> = {
  /** Resolves once its turn has come and it is done; never rejects. */
  readonly add: (key: string, item: Item) => Promise<void>;
  /** Whether anything of the key is under way. */
  readonly has: (key: string) => boolean;
  /** Once everything that was added so far is done. */
  readonly settled: () => Promise<void>;
};

/** `onEnd` hears of every end, and of why where the work has thrown. */
export function createChains<Item>(
  work: (item: Item) => Promise<void>,
  onEnd: (error?: unknown) => void,
): Chains<Item> {
  const last = new Map<string, Promise<void>>();

  const run = async (before: Promise<void> | undefined, item: Item): Promise<void> => {
    await before;
    try {
      await work(item);
      onEnd();
    } catch (error) {
      onEnd(error);
    }
  };

  return {
    add: (key, item) => {
      const chain: Promise<void> = run(last.get(key), item).finally(() => {
        if (last.get(key) === chain) last.delete(key);
      });
      last.set(key, chain);
      return chain;
    },
    has: (key) => last.has(key),
    settled: async () => {
      await Promise.all(last.values());
    },
  };
}
