import { advanceCheckpoint } from "#store/checkpoints.ts";
import { type DueLetter, readDueLetters, type SettledLetter } from "#store/dead-letters.ts";

import type { Calls } from "./calls.ts";
import type { PageEvent } from "./windows.ts";
import { nextAttemptMs, tellEvent, type WorkContext } from "./work.ts";

type Options = {
  readonly calls: Calls;
  readonly toPage: (letter: DueLetter) => PageEvent;
  /** These streams have been tried: what waits of them is to be asked for anew. */
  readonly onTried: (streams: Iterable<string>) => void;
  /** There is none any more, or something has failed. */
  readonly onEnd: (error?: unknown) => void;
};

/**
 * Tries a reactor's letters that are due: side by side for different streams, and in each in order, up
 * to the first that fails again; and beside the live events, since a call that fails slowly must hold
 * up nobody else.
 */
export function createLetterRetry(
  context: WorkContext,
  { calls, toPage, onTried, onEnd }: Options,
) {
  const { cursor, settings, pool } = context;

  const settle = async (letter: DueLetter): Promise<SettledLetter> => {
    const page = toPage(letter);
    const attempt = letter.attempts + 1;
    const failure = await calls.call(page, {
      attempt,
      halts: false,
      isSuspect: false,
      givenUp: undefined,
    });
    const { id } = letter;
    if (failure === undefined) return { id, resolved: true, errorCode: null, dueInMs: null };
    const { error, classified } = failure;
    const dueInMs = nextAttemptMs(settings, classified, attempt);
    const outcome = dueInMs === null ? "put-aside" : "retried";
    tellEvent(context, page, { error, attempt, outcome, isRepeat: true });
    return { id, resolved: false, errorCode: classified.code, dueInMs };
  };

  const settleStream = async (letters: readonly DueLetter[]): Promise<readonly SettledLetter[]> => {
    const settled: SettledLetter[] = [];
    for (const letter of letters) {
      const one = await settle(letter);
      settled.push(one);
      if (!one.resolved) break;
    }
    return settled;
  };

  /** True if there may be more. */
  const retryDue = async (): Promise<boolean> => {
    const letters = await readDueLetters(pool, cursor, settings.batchSize);
    if (letters.length === 0) return false;
    const streams = Map.groupBy(letters, ({ key }) => key);
    const settled = (await Promise.all([...streams.values()].map(settleStream))).flat();
    const resolved = new Set(settled.flatMap((one) => (one.resolved ? [one.id] : [])));
    const taken = letters.flatMap(({ id, event }) => (resolved.has(id) ? [event.position] : []));
    const step = { toPosition: cursor.stored(), taken, letters: [], settled };
    await cursor.write(step, (whole) => advanceCheckpoint(pool, whole));
    onTried(streams.keys());
    return true;
  };

  let running: Promise<void> | undefined;
  const retryAll = async (): Promise<void> => {
    try {
      while (cursor.isValid() && !cursor.lease().paused && (await retryDue())) continue;
      onEnd();
    } catch (error) {
      // What is given back was not begun.
      onEnd(calls.isEnding() ? undefined : error);
    }
    running = undefined;
  };

  return {
    /** Goes through all that are due, unless it does already. */
    start: (): void => {
      running ??= retryAll();
    },
    ended: (): Promise<void> | undefined => running,
  };
}
