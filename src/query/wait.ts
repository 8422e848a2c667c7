/**
 * Reads that include what their caller has written: a read waits until its view is so far.
 *
 * What it promises: no answer is older than the position that was asked for. The database says how
 * far a view is, whichever process keeps it; the read itself has the last word, also after the time
 * is over. Whoever waits holds no connection and costs a share of one look.
 *
 * What it relies on: the read's one statement for documents and position.
 *
 * How it fails: `view-behind` where the view is not so far in time, or, at once, where it is not and
 * `limits.viewWaits` wait already; the failure of a look or of the read; the signal's reason.
 *
 * What it does not do: wait in order, or make any view go faster.
 */
import { monotonicMs } from "#kernel/clock.ts";
import { VarveError } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";
import { readCheckpoints } from "#store/documents.ts";
import type { Pool } from "#store/pool.ts";

import { createWatch } from "#store/watch.ts";

/** How far a view must be before it is read. */
export type Minimum = {
  readonly position: number;
  /** How long to wait for that; 0 for not at all. */
  readonly waitMs: number;
  /** Ends the wait at once; its reason is thrown, a VarveError. */
  readonly signal: AbortSignal;
};

export type ViewWaits = {
  /** Reads once the view has reached the minimum, at once where there is none. */
  readonly read: <Page extends { readonly position: number }>(
    view: string,
    minimum: Minimum | undefined,
    read: () => Promise<Page>,
  ) => Promise<Page>;
  /** A view has moved in this process; only shortens waits. */
  readonly hint: () => void;
};

/** What is left of a wait and shorter than a timer's step is not waited for. */
const TIMER_STEP_MS = 1;

/** Makes the waits over one database. */
export function createViewWaits(pool: Pool): ViewWaits {
  const look = (deadlineMs: number) => readCheckpoints(pool, deadlineMs);
  const watch = createWatch({ look, isPatient: false });
  return {
    hint: watch.hint,
    read: async (view, minimum, read) => {
      if (minimum === undefined) return read();
      const { position: wanted, waitMs, signal } = minimum;
      const goal = { name: view, position: wanted };
      const untilMs = monotonicMs() + waitMs;
      for (;;) {
        const hasRoom = watch.waiting() < limits.viewWaits;
        if (hasRoom) await watch.reach(goal, untilMs - monotonicMs(), signal);
        signal.throwIfAborted();
        const page = await read();
        const { position } = page;
        if (position >= wanted) return page;
        // A view that is built anew starts from nothing, whatever was seen of it before.
        watch.correct(view, position);
        if (hasRoom && untilMs - monotonicMs() >= TIMER_STEP_MS) continue;
        const facts = { position, wanted, hasWaited: hasRoom };
        throw new VarveError("view-behind", "the view is not so far", facts);
      }
    },
  };
}
