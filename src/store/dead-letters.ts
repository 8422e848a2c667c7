import { eventOf, type EventRow, type StoredEvent } from "./events.ts";
import type { Lease } from "./leases.ts";
import type { Pool, Row } from "./pool.ts";
import { queries } from "./statements.ts";

/** The code of an event that failed only because one before it did. */
export const behindDeadLetter = "behind-dead-letter";

/** An event that was put aside; later ones of its key wait behind it. */
export type DeadLetter = {
  /** What the key is: an event that cannot be read has no document. */
  readonly kind: "stream" | "document";
  readonly key: string;
  /** The name of its stream, whatever the key is. */
  readonly stream: string;
  readonly position: number;
  readonly eventId: string;
  readonly eventType: string;
  /** A literal code, never a message. */
  readonly errorCode: string;
  /** How often it was tried; 0 behind another. */
  readonly attempts: number;
  /** Until it is tried again by itself; null where it waits for a person, or behind another. */
  readonly dueInMs: number | null;
};

/** What came of a letter that was tried again. */
export type SettledLetter = {
  readonly id: number;
  readonly resolved: boolean;
  readonly errorCode: string | null;
  readonly dueInMs: number | null;
};

/** A letter that is to be tried, with its event. */
export type DueLetter = Pick<DeadLetter, "kind" | "key" | "stream" | "attempts"> & {
  readonly id: number;
  readonly event: StoredEvent;
};

type DueRow = EventRow & Omit<DueLetter, "event">;

/**
 * Letters of a partition that are to be tried now, ascending by position, at most `limit`. None of
 * them has one in front that is not to be tried yet.
 */
export async function readDueLetters(
  pool: Pool,
  { subscription, partition }: Pick<Lease, "subscription" | "partition">,
  limit: number,
): Promise<readonly DueLetter[]> {
  const rows = await pool.query<DueRow>(queries.readDueLetters, [subscription, partition, limit]);
  return rows.map((row) => ({
    id: row.id,
    kind: row.kind,
    key: row.key,
    stream: row.stream,
    attempts: row.attempts,
    event: eventOf(row),
  }));
}

/** Those of the streams that wait behind a dead letter of the subscription. */
export async function readWaitingStreams(
  pool: Pool,
  subscription: string,
  streams: readonly string[],
): Promise<readonly string[]> {
  const rows = await pool.query<Row & { stream: string }>(queries.readWaitingStreams, [
    subscription,
    JSON.stringify(streams),
  ]);
  return rows.map(({ stream }) => stream);
}

/** Which letters are meant; what is left out does not matter. */
export type LetterMatch = {
  readonly id?: number;
  readonly subscription?: string;
  readonly errorCode?: string;
  readonly key?: string;
};

/** Has those that match and failed themselves tried again, wherever they are held. How many. */
export async function retryDeadLetters(pool: Pool, match: LetterMatch): Promise<number> {
  const [row] = await pool.query<{ due: number }>(queries.retryDeadLetters, [
    match.id ?? null,
    match.subscription ?? null,
    match.errorCode ?? null,
    match.key ?? null,
  ]);
  return row?.due ?? 0;
}

/** Gives a letter up for good; those behind it go on. False where it does not wait. */
export async function discardDeadLetter(pool: Pool, id: number, reason: string): Promise<boolean> {
  const [row] = await pool.query<{ discarded: boolean }>(queries.discardDeadLetter, [id, reason]);
  return row?.discarded === true;
}

/** Which events of a partition, from one position to another, were discarded before it came there. */
export async function readDiscarded(
  pool: Pool,
  { subscription, partition }: Pick<Lease, "subscription" | "partition">,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<ReadonlySet<number>> {
  const rows = await pool.query<{ position: number }>(queries.readDiscarded, [
    subscription,
    partition,
    from,
    to,
  ]);
  return new Set(rows.map(({ position }) => position));
}

export type LetterState = "waiting" | "resolved" | "discarded";

/** A dead letter as operators see it. */
export type LetterEntry = {
  readonly id: number;
  readonly subscription: string;
  readonly partition: number;
  readonly kind: "stream" | "document";
  readonly key: string;
  readonly stream: string;
  readonly position: number;
  /** Null where an earlier release put it aside. */
  readonly eventId: string | null;
  readonly eventType: string | null;
  readonly errorCode: string;
  readonly attempts: number;
  readonly state: LetterState;
  /** Why it was discarded, or what settled it by the way. */
  readonly reason: string | null;
  readonly createdAt: string;
  readonly failedAt: string | null;
  readonly settledAt: string | null;
  /** What it waits for: a person, the time of `dueAt`, or the letter `behindId`. */
  readonly waitsFor: "person" | "time" | "letter" | null;
  readonly dueAt: string | null;
  readonly behindId: number | null;
};

type EntryRow = Row &
  Pick<
    LetterEntry,
    | "id"
    | "subscription"
    | "partition"
    | "kind"
    | "key"
    | "stream"
    | "position"
    | "attempts"
    | "state"
    | "reason"
  > & {
    readonly event_id: string | null;
    readonly event_type: string | null;
    readonly error_code: string;
    readonly created_at: string;
    readonly failed_at: string | null;
    readonly settled_at: string | null;
    readonly waits_for: LetterEntry["waitsFor"];
    readonly due_at: string | null;
    readonly behind_id: number | null;
  };

const entryOf = (row: EntryRow): LetterEntry => ({
  id: row.id,
  subscription: row.subscription,
  partition: row.partition,
  kind: row.kind,
  key: row.key,
  stream: row.stream,
  position: row.position,
  eventId: row.event_id,
  eventType: row.event_type,
  errorCode: row.error_code,
  attempts: row.attempts,
  state: row.state,
  reason: row.reason,
  createdAt: row.created_at,
  failedAt: row.failed_at,
  settledAt: row.settled_at,
  waitsFor: row.waits_for,
  dueAt: row.due_at,
  behindId: row.behind_id,
});

export type LetterPage = LetterMatch & {
  readonly state?: LetterState;
  /** The id where the page before ended; 0 for the first. */
  readonly afterId: number;
  readonly limit: number;
};

/** Those that match, ascending by id. */
export async function listDeadLetters(
  pool: Pool,
  page: LetterPage,
): Promise<readonly LetterEntry[]> {
  const rows = await pool.query<EntryRow>(queries.listDeadLetters, [
    page.afterId,
    page.limit,
    page.id ?? null,
    page.subscription ?? null,
    page.state ?? null,
    page.errorCode ?? null,
    page.key ?? null,
  ]);
  return rows.map(entryOf);
}

export type LetterCounts = {
  readonly waiting: number;
  /** To be tried now. */
  readonly due: number;
  /** Due, and nobody tries them: no instance holds their subscription, or it is paused. */
  readonly unheld: number;
};

/** How many of those that match wait. */
export async function countDeadLetters(pool: Pool, match: LetterMatch): Promise<LetterCounts> {
  const [row] = await pool.query<LetterCounts>(queries.countDeadLetters, [
    match.id ?? null,
    match.subscription ?? null,
    match.errorCode ?? null,
    match.key ?? null,
  ]);
  return row ?? { waiting: 0, due: 0, unheld: 0 };
}
