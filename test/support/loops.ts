import { z } from "zod";

import { aggregates } from "#domain/registry.ts";
import type { View } from "#domain/decider.ts";
import { uuidv7 } from "#kernel/ids.ts";
import type { Logger } from "#kernel/log.ts";
import { ensureView } from "#store/documents.ts";
import type { Pool } from "#store/pool.ts";
import { eventTypesOf, type EventTypes } from "#domain/upcast.ts";
import { createLoop, type LoopOptions } from "#subscription/loop.ts";

/** The views of every aggregate, as the worker runs them. */
export const allViews: readonly View[] = aggregates.flatMap(({ views }) => views);

/** Makes their tables, at the version that each declares. */
export async function ensureViews(pool: Pool, views: readonly View[]): Promise<void> {
  for (const { name, version, list } of views) {
    const filterFields = Object.values(list?.filters ?? {}).map(({ field }) => field);
    await ensureView(pool, { name, version, filterFields });
  }
}

/** A logger that keeps the codes of what went wrong. */
export function codesLog(): { readonly codes: string[]; readonly log: Logger } {
  const codes: string[] = [];
  const keep: Logger["error"] = ({ code }) => {
    if (typeof code === "string") codes.push(code);
  };
  return { codes, log: { debug: keep, info: keep, warn: keep, error: keep } };
}

/** What a loop of a test can read: every aggregate's events, and those of `appends.ts`. */
const knownTypes: EventTypes = new Map([
  ...eventTypesOf(aggregates),
  ["Happened", { aggregateType: "Thing", definition: { version: 1, payload: z.unknown() } }],
]);

/** A running loop with an owner of its own. `stop` drains it; throws its defect. */
export function startLoop(options: Pick<LoopOptions, "pool" | "views"> & Partial<LoopOptions>) {
  const { codes, log } = codesLog();
  const loop = createLoop({
    owner: uuidv7(),
    eventTypes: knownTypes,
    batchSize: 100,
    continueOnError: true,
    clock: Date.now,
    log,
    ...options,
  });
  const running = loop.run();
  running.catch(() => undefined);
  return {
    ...loop,
    codes,
    running,
    stop: async (): Promise<void> => {
      loop.drain();
      await running;
    },
  };
}
