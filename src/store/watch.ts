/**
 * A watch: one look at the database for all in this process who wait for positions to be reached.
 *
 * What it promises: a look every `limits.pollMsMin` while somebody has just come or positions move,
 * since what is waited for is then about to come. After `limits.pollMsMax` without either they come
 * more rarely, down to one in that time. There is one look at a time, however many wait, and none
 * while nobody does; a waiter holds no connection. A hint only brings the next look forward.
 *
 * What it relies on: positions that grow. What was seen once is believed until `correct` takes it
 * back, so that whoever was woken must compare with what it then reads.
 *
 * How it fails: by the VarveError of a look, which all who wait get; a patient watch tries again
 * until nobody waits. A connection that hangs costs one look its time, and no more.
 */
import { monotonicMs, sleep } from "#kernel/clock.ts";
import { VarveError } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";

export type WatchOptions = {
  /** How far each is, by name. */
  readonly look: (deadlineMs: number) => Promise<ReadonlyMap<string, number>>;
  /** Whether those who wait ride out a look that fails: they have a time limit, and read after it. */
  readonly isPatient: boolean;
};

export type Goal = { readonly name: string; readonly position: number };

export type Watch = {
  /**
   * Waits until the goal is reached, the time is over or the signal fires, and does not say which.
   * Rejects with the failure of a look, unless the watch is patient.
   */
  readonly reach: (goal: Goal, waitMs: number, signal: AbortSignal) => Promise<void>;
  /** How many wait. */
  readonly waiting: () => number;
  /** So far it is. True if that is news. */
  readonly tell: (name: string, position: number) => boolean;
  /** No further than this it is: whatever was told beyond is no longer so. */
  readonly correct: (name: string, position: number) => void;
  /** Something has moved: look now. */
  readonly hint: () => void;
};

type Waiting = Goal & { readonly wake: (failure?: VarveError) => void };

/** A look is one small statement; all who wait are held up by one that hangs. */
const LOOK_MS = 1_000;

/** The pauses between looks. */
function createPace() {
  let hinted = new AbortController();
  let quickened = new AbortController();
  let isQuickUntilMs = 0;
  let pauseMs: number = limits.pollMsMin;
  return {
    /** What comes from here on shortens the next pause. */
    begin: (): void => {
      hinted = new AbortController();
      quickened = new AbortController();
    },
    /** Somebody has come, or something has moved. */
    quicken: (): void => {
      isQuickUntilMs = monotonicMs() + limits.pollMsMax;
      quickened.abort();
    },
    hint: (): void => {
      hinted.abort();
      quickened.abort();
    },
    pause: async (): Promise<void> => {
      const isQuick = monotonicMs() < isQuickUntilMs;
      pauseMs = isQuick ? limits.pollMsMin : Math.min(pauseMs * 2, limits.pollMsMax);
      // Those who come in crowds do not cost a look each: only a hint cuts the shortest pause.
      await sleep(limits.pollMsMin, hinted.signal);
      if (pauseMs > limits.pollMsMin) await sleep(pauseMs - limits.pollMsMin, quickened.signal);
    },
  };
}

/** Makes the watch; nothing is looked at until somebody waits. */
export function createWatch({ look, isPatient }: WatchOptions): Watch {
  const known = new Map<string, number>();
  const waiting = new Set<Waiting>();
  const pace = createPace();
  let isLooking = false;

  const isReached = ({ name, position }: Goal): boolean => (known.get(name) ?? 0) >= position;

  const tell = (name: string, position: number): boolean => {
    if (position <= (known.get(name) ?? 0)) return false;
    known.set(name, position);
    for (const wait of waiting) if (isReached(wait)) wait.wake();
    return true;
  };

  const lookOnce = async (): Promise<void> => {
    try {
      for (const [name, position] of await look(LOOK_MS)) if (tell(name, position)) pace.quicken();
    } catch (error) {
      if (!(error instanceof VarveError)) throw error;
      if (!isPatient) for (const wait of waiting) wait.wake(error);
    }
  };

  const lookWhileAnyWaits = async (): Promise<void> => {
    isLooking = true;
    while (waiting.size > 0) {
      pace.begin();
      await lookOnce();
      await pace.pause();
    }
    isLooking = false;
  };

  return {
    reach: async (goal, waitMs, signal) => {
      if (isReached(goal) || signal.aborted || waitMs <= 0) return;
      const woken = new AbortController();
      const wait: Waiting = { ...goal, wake: (failure) => woken.abort(failure) };
      const end = (): void => wait.wake();
      waiting.add(wait);
      signal.addEventListener("abort", end);
      pace.quicken();
      if (!isLooking) void lookWhileAnyWaits();
      await sleep(waitMs, woken.signal);
      signal.removeEventListener("abort", end);
      waiting.delete(wait);
      if (woken.signal.reason instanceof VarveError) throw woken.signal.reason;
    },
    waiting: () => waiting.size,
    tell,
    correct: (name, position) => {
      if (position < (known.get(name) ?? 0)) known.set(name, position);
    },
    hint: pace.hint,
  };
}
