/**
 * The log out: pages by position, and word of its growth for those that follow it live.
 *
 * What it promises: a page is of one moment, and says how far it has looked; a page that starts
 * there leaves nothing out and repeats nothing. Its work is bounded however rare the types are.
 * Whoever follows hears of growth within `limits.pollMsMax`, and at once of this process's appends.
 *
 * What it relies on: positions without a gap in commit order. All followers share one look at the
 * head, which rests while nobody waits; a hint only shortens the wait.
 *
 * How it fails: VarveError of the store. The look at the head rides out an outage: it tries again
 * until nobody waits.
 *
 * What it does not do: authorise, open sealed values, or remember who has read what.
 */
import { sleep } from "#kernel/clock.ts";
import { VarveError } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";
import { readHead, readLogPage, type LogPageRequest } from "#store/events.ts";
import type { Pool } from "#store/pool.ts";

import { logItem, type LogItem } from "./event-item.ts";
import { createTurns } from "./turns.ts";

export type LogRequest = LogPageRequest;

export type LogAnswer = {
  readonly items: readonly LogItem[];
  /** Where the next page begins; before the head where there may be more at once. */
  readonly nextAfter: number;
  readonly head: number;
};

export type LogReader = {
  readonly page: (request: LogRequest) => Promise<LogAnswer>;
  /** As `page`, for followers: few of them read at once, so that queries find a connection. */
  readonly follow: (request: LogRequest) => Promise<LogAnswer>;
  /** Waits until the log has grown past the position, the time is over or the signal fires. */
  readonly growth: (past: number, waitMs: number, signal: AbortSignal) => Promise<void>;
  /** This process has appended up to the position. */
  readonly hint: (position: number) => void;
};

/** One look at the head for all who wait for it, more rarely the longer nothing comes. */
function watchHead(pool: Pool) {
  const waiting = new Set<{ readonly past: number; readonly wake: AbortController }>();
  let head = 0;
  let isLooking = false;

  const tell = (position: number): void => {
    head = Math.max(head, position);
    for (const { past, wake } of waiting) if (head > past) wake.abort();
  };

  const look = async (): Promise<void> => {
    isLooking = true;
    let pauseMs: number = limits.pollMsMin;
    while (waiting.size > 0) {
      const before = head;
      try {
        tell(await readHead(pool));
      } catch (error) {
        // Who waits has its own time limit, and meets the failure when it reads.
        if (!(error instanceof VarveError)) throw error;
      }
      pauseMs = head > before ? limits.pollMsMin : Math.min(pauseMs * 2, limits.pollMsMax);
      await sleep(pauseMs);
    }
    isLooking = false;
  };

  const growth = async (past: number, waitMs: number, signal: AbortSignal): Promise<void> => {
    if (head > past || signal.aborted) return;
    const wait = { past, wake: new AbortController() };
    const wake = (): void => wait.wake.abort();
    waiting.add(wait);
    signal.addEventListener("abort", wake);
    if (!isLooking) void look();
    await sleep(waitMs, wait.wake.signal);
    signal.removeEventListener("abort", wake);
    waiting.delete(wait);
  };

  /** Nothing was found up to here: if somebody said that there is more, it was lost in a failover. */
  const correct = (position: number): void => {
    head = Math.min(head, position);
  };
  return { tell, correct, growth };
}

/** Pages that followers read at once; the smallest pool of queries has more connections. */
const FOLLOWED_AT_ONCE = 2;

/** Makes the reader; nothing is looked at until somebody asks. */
export function createLogReader(pool: Pool): LogReader {
  const { tell, correct, growth } = watchHead(pool);
  const inTurn = createTurns(FOLLOWED_AT_ONCE);
  const page = async (request: LogRequest): Promise<LogAnswer> => {
    const { events, scannedTo, head } = await readLogPage(pool, request);
    if (events.length === 0) correct(head);
    return { items: events.map(logItem), nextAfter: scannedTo, head };
  };
  return { page, follow: (request) => inTurn(() => page(request)), growth, hint: tell };
}
