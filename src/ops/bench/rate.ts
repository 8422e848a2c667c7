import { monotonicMs, sleep } from "#kernel/clock.ts";

/**
 * Starts the work at a steady rate and waits for all of it. Arrivals do not wait for answers, so
 * that a stall is paid for by all who arrive in it, as it is by real callers.
 */
export async function atRate<Value>(
  perSecond: number,
  work: readonly (() => Promise<Value>)[],
): Promise<readonly Value[]> {
  const startedAt = monotonicMs();
  const under: Promise<Value>[] = [];
  for (const [index, begin] of work.entries()) {
    const dueMs = (index / perSecond) * 1_000 - (monotonicMs() - startedAt);
    if (dueMs > 0) await sleep(dueMs);
    under.push(begin());
  }
  return Promise.all(under);
}
