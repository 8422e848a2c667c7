/**
 * Proofs: that a subscription has taken every position once.
 *
 * What it is. The statement that moves a checkpoint also keeps a count and a hash of what has taken
 * effect; an audit counts the log, and compares. What differs is a fault, which names its positions.
 *
 * What it promises. A fault is told once, and stands until its subscription is reset or goes, or the
 * positions that were skipped have been taken after all. No fault where nothing is wrong, whoever
 * audits at the same time. A step is bounded, and locks a checkpoint for as long as one update.
 *
 * What it relies on. That every effect is written by `advanceCheckpoint` or `applyProjection`, with
 * the positions that took effect, and each position that did not as a dead letter.
 *
 * How it fails. VarveError of the store; a month that is archived is no failure, but told.
 *
 * What it does not do. Mend anything, or find two faults whose counts and hashes cancel: one chance
 * in four billion.
 */
import type { Lease } from "./leases.ts";
import type { Pool } from "./pool.ts";
import { queries } from "./statements.ts";

/** Positions that were passed over, or taken once more, without anybody's word for it. */
export type ProofFault = {
  readonly partition: number;
  /** mismatch: no single position, or two close together, explain it. */
  readonly kind: "skipped" | "doubled" | "mismatch";
  /** The range that they lie in: exclusive, and inclusive. */
  readonly afterPosition: number;
  readonly toPosition: number;
  /** Ascending, the first hundred. */
  readonly positions: readonly number[];
  /** How many; null while a part of the range has not been looked at. */
  readonly total: number | null;
};

/** What one step of an audit came to. */
export type AuditStep = {
  /** Whether another step has something to do. */
  readonly more: boolean;
  /** What the comparison came to; null where the step compared nothing. */
  readonly agrees: boolean | null;
  /** The month that has to be restored before the audit goes on. */
  readonly blocked: string | null;
  /** Those that nobody was told of before. */
  readonly faults: readonly ProofFault[];
};

/** Takes one step of the audit of a partition; it looks at no more than that many positions. */
export async function auditProof(
  pool: Pool,
  { subscription, partition }: Pick<Lease, "subscription" | "partition">,
  eventsMax: number,
): Promise<AuditStep> {
  const [row] = await pool.query<AuditStep>(queries.auditProof, [
    subscription,
    partition,
    eventsMax,
  ]);
  return row ?? { more: false, agrees: null, blocked: null, faults: [] };
}

/** A number of positions, and the sum of their hashes as 16 hexadecimal digits. */
type Sum = { readonly count: number; readonly hash: string };

export type PartitionProof = {
  readonly partition: number;
  /** The checkpoint. */
  readonly position: number;
  /** The proof is of the positions after this one. */
  readonly from: number;
  readonly taken: Sum;
  /** What the log has up to that position, as it was counted last. */
  readonly log: Sum & { readonly position: number };
  /** Positions after `from` that took no effect, and have a dead letter instead. */
  readonly deadLetters: number;
  /** ISO 8601; null before the first audit. */
  readonly auditedAt: string | null;
  /** Up to `log.position`; null where that was not compared yet. */
  readonly agrees: boolean | null;
};

export type StoredProof = {
  /** Whether every partition has its checkpoint. */
  readonly complete: boolean;
  readonly partitions: readonly PartitionProof[];
  readonly faults: readonly (ProofFault & { readonly foundAt: string })[];
};

/** The proof of a subscription, of one moment; undefined where there is none of that name. */
export async function readProof(pool: Pool, name: string): Promise<StoredProof | undefined> {
  const [row] = await pool.query<StoredProof>(queries.readProof, [name]);
  return row;
}
