import { VarveError } from "#kernel/errors.ts";

import type { DocumentChange, StoredDocument } from "./documents.ts";
import type { DeadLetter, SettledLetter } from "./dead-letters.ts";
import type { Lease } from "./leases.ts";
import type { Pool } from "./pool.ts";
import { queries } from "./statements.ts";

/**
 * A document as it is sent. Throws `invalid-data` for what JSON cannot hold, as the database does for
 * what it cannot.
 */
export function changeText(change: DocumentChange): string {
  try {
    return JSON.stringify(change);
  } catch (cause) {
    throw new VarveError("invalid-data", "a document is not what JSON can hold", {}, cause);
  }
}

/** What one statement writes for the holder of an epoch: all of it, or nothing. */
export type Step = Pick<Lease, "subscription" | "partition" | "epoch"> & {
  /** Where the checkpoint must be, and where it will be; equal where only letters are settled. */
  readonly fromPosition: number;
  readonly toPosition: number;
  /** Positions that take effect by it. */
  readonly taken: readonly number[];
  readonly letters: readonly DeadLetter[];
  readonly settled: readonly SettledLetter[];
};

const partsOf = (step: Step) =>
  [step.subscription, step.partition, step.epoch, step.fromPosition, step.toPosition] as const;

/**
 * Moves the checkpoint with its proof and dead letters. False where the epoch, the position or a
 * letter is no longer the caller's: nothing was written. A repeat is safe.
 */
export async function advanceCheckpoint(pool: Pool, step: Step): Promise<boolean> {
  const [row] = await pool.query<{ applied: boolean }>(queries.advanceCheckpoint, [
    ...partsOf(step),
    JSON.stringify(step.taken),
    JSON.stringify(step.letters),
    JSON.stringify(step.settled),
  ]);
  return row?.applied === true;
}

/** As `advanceCheckpoint`, with the documents that the events change: JSON of a DocumentChange each. */
export async function applyProjection(
  pool: Pool,
  step: Step,
  changes: readonly string[],
): Promise<boolean> {
  const [row] = await pool.query<{ applied: boolean }>(queries.applyProjection, [
    ...partsOf(step),
    JSON.stringify(step.taken),
    `[${changes.join(",")}]`,
    JSON.stringify(step.letters),
    JSON.stringify(step.settled),
  ]);
  return row?.applied === true;
}

/** A checkpoint that goes past events which its subscription does not want. */
export type Move = Pick<Lease, "subscription" | "partition" | "epoch"> & {
  readonly from: number;
  readonly to: number;
};

/**
 * Moves many checkpoints at once; answers with whether each was still the caller's, in any order.
 * Those whose row somebody else has locked are left out, and nothing was written for them.
 */
export async function advanceCheckpoints(pool: Pool, moves: readonly Move[]) {
  return pool.query<{ subscription: string; partition: number; applied: boolean }>(
    queries.advanceCheckpoints,
    [JSON.stringify(moves)],
  );
}

/** Of those asked for: the documents that exist, and what waits behind a dead letter. */
export type Before = {
  readonly documents: readonly StoredDocument[];
  /** Keys of documents, and where the first letter of each is. */
  readonly keys: readonly { readonly key: string; readonly position: number }[];
  readonly streams: readonly string[];
};

/** What a page of events meets in the documents and dead letters of a view's subscription. */
export async function readProjection(
  pool: Pool,
  wanted: {
    readonly subscription: string;
    /** Documents to read. */
    readonly documents: readonly string[];
    /** Documents and streams that may wait. */
    readonly keys: readonly string[];
    readonly streams: readonly string[];
  },
): Promise<Before> {
  const [row] = await pool.query<Before>(queries.readProjection, [
    wanted.subscription,
    JSON.stringify(wanted.documents),
    JSON.stringify(wanted.keys),
    JSON.stringify(wanted.streams),
  ]);
  return row ?? { documents: [], keys: [], streams: [] };
}

/** An event that was worked on when a worker ended, and how its subscription takes failures. */
export type Crash = {
  readonly subscription: string;
  readonly position: number;
  readonly attemptsMax: number;
  readonly delayMs: number;
};

/**
 * Writes down what a worker was working on when it ended, all at once: where some of it was suspected
 * before, that alone. A letter that was tried counts an attempt more, and below `attemptsMax` is tried
 * again after `delayMs`; any other event becomes a suspect.
 */
export async function recordCrash(pool: Pool, crashes: readonly Crash[]): Promise<void> {
  await pool.query(queries.recordCrash, [JSON.stringify(crashes)]);
}
