import { isCode } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";

import type { Failure } from "./failure.ts";
import type { LoopOptions } from "./loop.ts";

/** What brings a month back that is wanted. */
const remedyOf = (error: unknown): { readonly restore?: string } =>
  isCode(error, "partition-archived")
    ? { restore: `varve partitions restore ${String(error.context["partition"])}` }
    : {};

/** An outage is over, and news again, when a subscription has not met it for so long. */
const OUTAGE_MS = 2 * limits.backoffMsMax;

/** How failures are told: hooks hear of each attempt, the log of each failure once. */
export function createTeller({
  log,
  clock,
  onFailure,
}: Pick<LoopOptions, "log" | "clock" | "onFailure">) {
  const lastMetAtMs = new Map<string, number>();
  return (failure: Failure, error: unknown): void => {
    onFailure(failure);
    const { subscription, partition, code, category, outcome } = failure;
    const isOutage = outcome === "paused" && category === "infrastructure";
    // What lasts is met again and again.
    const lasts = isOutage || outcome === "stopped";
    const name = `${subscription} ${partition} ${code}`;
    const isKnown = lasts && clock() - (lastMetAtMs.get(name) ?? -OUTAGE_MS) < OUTAGE_MS;
    if (lasts) lastMetAtMs.set(name, clock());
    if (isKnown) return;
    const told = { ...failure, error, ...remedyOf(error) };
    log[isOutage ? "warn" : "error"](told, "a subscription has failed");
  };
}
