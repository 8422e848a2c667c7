import { sleep } from "#kernel/clock.ts";
import { VarveError } from "#kernel/errors.ts";
import { advanceCheckpoint, advanceCheckpoints } from "#store/checkpoints.ts";
import type { Step } from "#store/checkpoints.ts";
import type { Pool } from "#store/pool.ts";

import type { Cursor } from "./cursor.ts";

/** Moves checkpoints past events that nobody wants: all that are to move, in one statement. */
export type Passing = {
  /** It is tried, also where it throws what the move before has met, once. */
  readonly move: (cursor: Cursor, to: number) => void;
  /** Moves it at once as far as it is to be moved, if it is. Throws what that meets. */
  readonly finish: (cursor: Cursor) => Promise<void>;
  /** Until nothing is left to move, or a move has failed. */
  readonly settle: () => Promise<void>;
};

/** Between two statements: views that wait for a position hear of it soon enough. */
const PASS_MS = 20;

type Waiting = {
  readonly step: Step;
  readonly answer: (applied: boolean) => void;
  readonly refuse: (error: VarveError) => void;
};

const lockedError = ({ subscription, partition }: Step): VarveError =>
  new VarveError("database-timeout", "somebody else holds the checkpoint", {
    subscription,
    partition,
  });

const stepTo = (toPosition: number) => ({ toPosition, taken: [], letters: [], settled: [] });

/** One statement for all; each hears what came of its own. */
async function send(pool: Pool, waiting: readonly Waiting[]): Promise<void> {
  const moves = waiting.map(({ step }) => {
    const { subscription, partition, epoch, fromPosition: from, toPosition: to } = step;
    return { subscription, partition, epoch, from, to };
  });
  const rows = await advanceCheckpoints(pool, moves);
  for (const { step, answer, refuse } of waiting) {
    const { subscription, partition } = step;
    const row = rows.find(
      (one) => one.subscription === subscription && one.partition === partition,
    );
    if (row !== undefined) answer(row.applied);
    else refuse(lockedError(step));
  }
}

/** Nothing is sent before something is to move; then one statement at a time. */
export function createPassing(pool: Pool): Passing {
  const targets = new Map<Cursor, number>();
  const failures = new WeakMap<Cursor, VarveError>();
  let running: Promise<void> | undefined;

  const round = async (): Promise<void> => {
    const due = [...targets].filter(([cursor]) => !cursor.isBusy());
    const waiting: Waiting[] = [];
    const writes = due.flatMap(([cursor, to]) => {
      targets.delete(cursor);
      if (cursor.signal.aborted || to <= cursor.stored()) return [];
      const write = cursor.write(stepTo(to), (whole) => {
        const { promise, resolve, reject } = Promise.withResolvers<boolean>();
        waiting.push({ step: whole, answer: resolve, refuse: reject });
        return promise;
      });
      return [
        write.catch((error: unknown) => {
          if (error instanceof VarveError) failures.set(cursor, error);
        }),
      ];
    });
    if (writes.length === 0) return;
    // Each of them has its turn at once, since nothing else is being written.
    await sleep(0);
    try {
      await send(pool, waiting);
    } catch (error) {
      if (!(error instanceof VarveError)) throw error;
      // Where it was written all the same, the next step is refused, and the lease tells how far.
      for (const { refuse } of waiting) refuse(error);
    }
    await Promise.all(writes);
  };

  const run = async (): Promise<void> => {
    while (targets.size > 0) {
      await sleep(PASS_MS);
      await round();
    }
    running = undefined;
  };

  return {
    move: (cursor, to) => {
      const failure = failures.get(cursor);
      failures.delete(cursor);
      targets.set(cursor, to);
      running ??= run();
      if (failure !== undefined) throw failure;
    },
    finish: async (cursor) => {
      const to = targets.get(cursor) ?? 0;
      targets.delete(cursor);
      if (to > cursor.stored()) {
        await cursor.write(stepTo(to), (step) => advanceCheckpoint(pool, step));
      }
    },
    settle: async () => running,
  };
}
