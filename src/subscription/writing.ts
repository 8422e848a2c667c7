import { advanceCheckpoint } from "#store/checkpoints.ts";

import type { LowWater } from "./low-water.ts";
import type { WorkContext } from "./work.ts";

/** When what a reactor has done is written down, by its checkpoint strategy. */
export type Writing = {
  /** One more event is done. */
  readonly complete: () => void;
  readonly isDue: () => boolean;
  /** Writes everything up to the first event that is not done. */
  readonly flush: () => Promise<void>;
  /** Until it is due by itself; Infinity for never. */
  readonly dueInMs: () => number;
};

/** Nothing is done yet. `roomMax` events that are not written are too many. */
export function createWriting(
  { cursor, settings, condition, clock, passing, pool, nudge }: WorkContext,
  lowWater: LowWater,
  roomMax: number,
): Writing {
  const { batchSize, checkpointStrategy, checkpointIntervalMs } = settings;
  const isPeriodic = checkpointStrategy === "periodic";
  let completed = 0;
  let dueAtMs = Number.POSITIVE_INFINITY;

  return {
    complete: () => {
      completed += 1;
      if (!isPeriodic || dueAtMs !== Number.POSITIVE_INFINITY) return;
      dueAtMs = clock() + checkpointIntervalMs;
      setTimeout(nudge, checkpointIntervalMs);
    },
    isDue: () => {
      if (isPeriodic && completed > 0) return clock() >= dueAtMs || lowWater.size() >= roomMax;
      const enough = checkpointStrategy === "every_event" ? 1 : batchSize;
      // While it waits for something there may be a restart: what is done is written.
      const isHeldUp = condition.failures() > 0 && lowWater.isDone();
      return completed >= enough || lowWater.open() === 0 || isHeldUp;
    },
    flush: async () => {
      const { toPosition, taken, letters } = lowWater.done();
      completed = 0;
      dueAtMs = Number.POSITIVE_INFINITY;
      if (toPosition <= cursor.stored()) return;
      if (taken.length + letters.length === 0) return passing.move(cursor, toPosition);
      const step = { toPosition, taken, letters, settled: [] };
      await cursor.write(step, (whole) => advanceCheckpoint(pool, whole));
      lowWater.written(toPosition);
    },
    dueInMs: () => dueAtMs - clock(),
  };
}
