import { monotonicMs, sleep } from "#kernel/clock.ts";
import { VarveError } from "#kernel/errors.ts";

import { progressLine } from "./output.ts";

const LOOK_MS = 1_000;
/** A terminal is written over; a log file is not filled. */
const SAY_TERMINAL_MS = 1_000;
const SAY_FILE_MS = 10_000;

/** What a look at work that others do has found. */
export type Look = {
  readonly done: boolean;
  /** Another text for as long as it goes on. */
  readonly mark: string;
};

type Following = {
  readonly look: () => Promise<Look>;
  /** Without progress for so long, it is given up. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
};

/**
 * Looks once a second until the work is done, somebody interrupts, or it has stood still for too
 * long. A database that goes away meanwhile is work that stands still; then, and at the first look,
 * throws what the look did.
 */
export async function follow({
  look,
  patienceMs,
  signal,
}: Following): Promise<"done" | "interrupted" | "stalled"> {
  let { done, mark } = await look();
  let movedAtMs = monotonicMs();
  while (!done) {
    await sleep(LOOK_MS, signal);
    if (signal.aborted) return "interrupted";
    const isOver = monotonicMs() - movedAtMs >= patienceMs;
    try {
      const next = await look();
      if (next.mark !== mark) movedAtMs = monotonicMs();
      else if (!next.done && isOver) return "stalled";
      ({ done, mark } = next);
    } catch (error) {
      if (!(error instanceof VarveError && error.retryable) || isOver) throw error;
    }
  }
  return "done";
}

/** Says how far it is, on stderr: at most once a second, and more rarely where nobody watches. */
export function sayNowAndThen(): (text: () => string) => void {
  const everyMs = process.stderr.isTTY ? SAY_TERMINAL_MS : SAY_FILE_MS;
  let saidAtMs = -Infinity;
  return (text) => {
    if (monotonicMs() - saidAtMs < everyMs) return;
    saidAtMs = monotonicMs();
    progressLine.say(text());
  };
}

/** A change of holder is over by then. */
const LASTS_MS = 5_000;

/** Says, once, what has been the case for some seconds; undefined where nothing is. */
export function sayIfItLasts(): (text: string | undefined) => void {
  let [since, said, text]: [number, boolean, string | undefined] = [0, false, undefined];
  return (now) => {
    if (now !== text) [since, said, text] = [monotonicMs(), false, now];
    if (text === undefined || said || monotonicMs() - since < LASTS_MS) return;
    said = true;
    progressLine.clear();
    process.stderr.write(`${text}\n`);
  };
}

/** `45 s`, `3 min`, `2 h 5 min`. */
export function durationText(seconds: number): string {
  if (seconds < 100) return `${Math.ceil(seconds)} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** The flag that says when to give up. */
export const patienceArgument = {
  patience: {
    type: "string",
    default: "60",
    description: "seconds without progress after which it gives up with 75",
  },
} as const;

/** The longest that anybody means. */
export const patienceBounds = [1, 86_400] as const;
