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
import { readHead, readLogPage, type LogPageRequest } from "#store/events.ts";
import type { Pool } from "#store/pool.ts";
import { createTurns } from "#store/turns.ts";

import { logItem, type LogItem } from "./event-item.ts";
import { createWatch } from "#store/watch.ts";

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

/** The one name that the watch of the log knows. */
const HEAD = "head";

/** Pages that followers read at once; the smallest pool of queries has more connections. */
const FOLLOWED_AT_ONCE = 2;

/** Makes the reader; nothing is looked at until somebody asks. */
export function createLogReader(pool: Pool): LogReader {
  const look = async (deadlineMs: number) => new Map([[HEAD, await readHead(pool, deadlineMs)]]);
  const watch = createWatch({ look, isPatient: true });
  const inTurn = createTurns(FOLLOWED_AT_ONCE);
  const page = async (request: LogRequest): Promise<LogAnswer> => {
    const { events, scannedTo, head } = await readLogPage(pool, request);
    // Nothing was found up to here: if somebody said that there is more, it was lost in a failover.
    if (events.length === 0) watch.correct(HEAD, head);
    return { items: events.map(logItem), nextAfter: scannedTo, head };
  };
  return {
    page,
    follow: (request) => inTurn(() => page(request)),
    growth: (past, waitMs, signal) =>
      watch.reach({ name: HEAD, position: past + 1 }, waitMs, signal),
    hint: (position) => {
      watch.tell(HEAD, position);
    },
  };
}
