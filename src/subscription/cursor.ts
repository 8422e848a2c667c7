/**
 * The cursor: one partition of a subscription in the hands of this process.
 *
 * What it promises: whatever is written for it goes one after the other, each from where the one
 * before left the checkpoint, and nothing is written once the lease is lost. `signal` fires then, and
 * when the partition is to be given back.
 */
import type { Clock } from "#kernel/clock.ts";
import { VarveError } from "#kernel/errors.ts";
import type { Step } from "#store/checkpoints.ts";
import type { Lease } from "#store/leases.ts";
import { replyWasLost } from "#store/sqlstate.ts";
import { createTurns } from "#store/turns.ts";

/** The step as the store writes it, but for what the cursor knows. */
export type CursorStep = Pick<Step, "toPosition" | "taken" | "letters" | "settled">;

export type Cursor = Pick<Lease, "subscription" | "partition" | "partitions" | "epoch"> & {
  /** Where the checkpoint is. */
  readonly stored: () => number;
  /** The lease as it was renewed last. */
  readonly lease: () => Lease;
  readonly renew: (lease: Lease, validUntilMs: number) => void;
  /** Whether the lease has not run out by this process's clock. */
  readonly isValid: () => boolean;
  /** Whether any dead letter may wait, so that keys must be asked for. */
  readonly hasLetters: () => boolean;
  readonly signal: AbortSignal;
  /** Another has the lease, somebody has moved the checkpoint, or it is given up. */
  readonly lose: () => void;
  /** What became of a step is not known, and could not be seen later: the lease is to be given up. */
  readonly needsNewEpoch: () => boolean;
  /** Something is being written. */
  readonly isBusy: () => boolean;
  /** Writes a step. Throws `lease-lost` where it is no longer this process's to write. */
  readonly write: (step: CursorStep, send: (step: Step) => Promise<boolean>) => Promise<void>;
};

export type CursorOptions = {
  readonly lease: Lease;
  readonly validUntilMs: number;
  readonly clock: Clock;
  /** The checkpoint has moved. */
  readonly onMoved: () => void;
};

const lostLease = ({ subscription, partition }: Lease): VarveError =>
  new VarveError("lease-lost", "another instance has the lease", { subscription, partition });

/** Whether any letter may wait, by renewals and by what was written since. */
function createLetters(atFirst: boolean) {
  let mayWait = atFirst;
  /** Some were written since the last renewal was asked for: its answer cannot know them. */
  let isNewer = false;
  return {
    mayWait: (): boolean => mayWait,
    note: (): void => {
      [mayWait, isNewer] = [true, true];
    },
    renew: (open: boolean): void => {
      if (!isNewer) mayWait = open;
      isNewer = false;
    },
  };
}

/** Takes the lease in hand. */
export function createCursor(options: CursorOptions): Cursor {
  const { lease: first, validUntilMs, clock, onMoved } = options;
  const { subscription, partition, partitions, epoch } = first;
  const ending = new AbortController();
  let lease = first;
  let until = validUntilMs;
  let stored = first.position;
  const letters = createLetters(first.openLetters);
  /** Whether anything was written since then: only where nothing was, its answer must agree. */
  let isWritten = false;
  let isUncertain = false;
  const inTurn = createTurns(1);
  let pending = 0;

  const send: Cursor["write"] = async (step, sendStep) => {
    if (ending.signal.aborted) throw lostLease(first);
    isWritten = true;
    if (step.letters.length > 0) letters.note();
    // What only settles letters says where the checkpoint was when it began.
    const toPosition = Math.max(stored, step.toPosition);
    const whole = { ...step, subscription, partition, epoch, fromPosition: stored, toPosition };
    const isApplied = await sendStep(whole).catch((error: unknown) => {
      // A step of letters alone leaves no trace in the position: where it may come through later, only
      // another epoch can tell what is read from now on from what was read before.
      isUncertain = replyWasLost(error) && toPosition === whole.fromPosition;
      if (isUncertain) ending.abort();
      throw error;
    });
    if (!isApplied) ending.abort();
    if (!isApplied) throw lostLease(first);
    [stored, isWritten] = [toPosition, true];
    // A renewal that was asked for while it was being written may have been answered before.
    if (step.letters.length > 0) letters.note();
    onMoved();
  };

  return {
    subscription,
    partition,
    partitions,
    epoch,
    stored: () => stored,
    lease: () => lease,
    renew: (renewed, validUntil) => {
      lease = renewed;
      until = validUntil;
      letters.renew(renewed.openLetters);
      // Somebody has moved the checkpoint: it is gone on from where it is now.
      if (!isWritten && pending === 0 && renewed.position !== stored) ending.abort();
      isWritten = false;
    },
    isValid: () => !ending.signal.aborted && clock() < until,
    hasLetters: letters.mayWait,
    signal: ending.signal,
    lose: () => ending.abort(),
    needsNewEpoch: () => isUncertain,
    isBusy: () => pending > 0,
    write: async (step, sendStep) => {
      pending += 1;
      try {
        await inTurn(() => send(step, sendStep));
      } finally {
        pending -= 1;
      }
    },
  };
}
