import { monotonicMs } from "#kernel/clock.ts";

import { median } from "./statistics.ts";

/** How long one call takes: the median of as many as the time allows, at least one, in turn. */
export async function timeCalls(durationMs: number, call: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  const until = monotonicMs() + durationMs;
  do {
    const startedAt = monotonicMs();
    await call();
    times.push(monotonicMs() - startedAt);
  } while (monotonicMs() < until);
  return median(times);
}
