/**
 * A view's work: pages are folded in memory, and each touched document is written once, together
 * with checkpoint, proof and dead letters, in one statement that the epoch of the lease guards. One
 * such statement may be on its way while the next page is folded.
 */
import type { View } from "#domain/decider.ts";
import type { DueLetter } from "#store/dead-letters.ts";

import type { PageEvent } from "./windows.ts";
import { createAhead } from "./view-ahead.ts";
import { applySafely, pendingOf } from "./view-apply.ts";
import { retryLetters } from "./view-letters.ts";
import { roomOf, type Work, type WorkContext } from "./work.ts";

/** Makes the work of a view. `toPage` reads the event of a letter. */
export function createViewWork(
  context: WorkContext,
  view: View,
  toPage: (letter: DueLetter) => PageEvent,
): Work {
  const { cursor, settings, clock, passing, nudge } = context;
  const { checkpointStrategy, checkpointIntervalMs } = settings;
  const isPeriodic = checkpointStrategy === "periodic";
  const roomMax = roomOf(settings);
  const ahead = createAhead(context, view);
  const mayRunAhead = checkpointStrategy === "every_batch";
  let buffer: readonly PageEvent[] = [];
  let bufferedTo = cursor.stored();
  let dueAtMs = Number.POSITIVE_INFINITY;

  const flush = async (): Promise<void> => {
    await ahead.settle();
    for (;;) {
      buffer = pendingOf(context, buffer);
      const events = checkpointStrategy === "every_event" ? buffer.slice(0, 1) : buffer;
      const last = events.at(-1)?.stored.position;
      if (last === undefined) break;
      const isAll = events.length === buffer.length;
      await applySafely(context, view, events, isAll ? bufferedTo : last);
    }
    dueAtMs = Number.POSITIVE_INFINITY;
    if (bufferedTo > cursor.stored()) passing.move(cursor, bufferedTo);
  };

  /** Those that are neither in effect nor on their way. */
  const unsent = (): readonly PageEvent[] => {
    const sentTo = ahead.toPosition() ?? cursor.stored();
    return buffer.filter(({ stored }) => stored.position > sentTo);
  };

  const tick = async (): Promise<void> => {
    if (ahead.toPosition() === bufferedTo) return;
    // What nobody wants is passed at once, whatever the strategy.
    const isDue = !isPeriodic || buffer.length === 0 || clock() >= dueAtMs;
    if (isDue || buffer.length >= roomMax) await flush();
  };

  return {
    feed: async (page) => {
      buffer = [...pendingOf(context, buffer), ...page.events];
      bufferedTo = page.reached;
      if (isPeriodic && dueAtMs === Number.POSITIVE_INFINITY && buffer.length > 0) {
        dueAtMs = clock() + checkpointIntervalMs;
        setTimeout(nudge, checkpointIntervalMs);
      }
      if (mayRunAhead && (await ahead.send(unsent(), bufferedTo))) return;
      await tick();
    },
    tick,
    tickMs: () => dueAtMs - clock(),
    inFlight: () => pendingOf(context, buffer).length,
    room: () => (pendingOf(context, buffer).length < roomMax ? Promise.resolve() : flush()),
    // A fold that has stopped is done as far as it went.
    save: () => Promise.resolve(),
    giveUp: () => undefined,
    retry: async () => {
      await ahead.settle();
      return retryLetters(context, { view, toPage });
    },
    finish: async () => {
      await ahead.end();
      await flush();
    },
  };
}
