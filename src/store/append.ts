import { monotonicMs, type Clock } from "#kernel/clock.ts";
import { invariant, isCode } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";

import { clockText } from "./clock.ts";
import type { Pool } from "./pool.ts";
import { queries } from "./statements.ts";

export type NewEvent = {
  /** UUID. Appending the same ids again with the same expectation gives the first result. */
  readonly id: string;
  readonly type: string;
  readonly schemaVersion: number;
  /** When it happened, ISO 8601. */
  readonly timestamp: string;
  readonly payload: unknown;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Ids of the data keys that the payload's sealed values need. */
  readonly subjectKeys: readonly string[];
};

/** The caller's key, recorded in the statement that appends. */
export type IdempotencyClaim = {
  readonly principal: string;
  readonly key: string;
  /** Keyed hash of the request: the same key with another request is not the same command. */
  readonly fingerprint: string;
};

export type Append = {
  readonly aggregateType: string;
  readonly aggregateId: string;
  /** The stream's version that the decision was based on; 0 for no stream, null for any. */
  readonly expectedVersion: number | null;
  /** At least one, in order. */
  readonly events: readonly NewEvent[];
  readonly idempotency?: IdempotencyClaim;
};

export type Appended = {
  readonly outcome: "appended" | "already";
  /** The stream's version after the append. */
  readonly version: number;
  /** The position of its first event; the others follow without a gap. */
  readonly position: number;
  readonly createdAt: string;
};

/** `version` is the actual version; 0 where there is no stream. Nothing was stored. */
export type Conflict = { readonly outcome: "conflict"; readonly version: number };
/** The idempotency key was recorded before; nothing was stored now. */
export type Replayed = { readonly outcome: "replayed" };
export type AppendOutcome = Appended | Conflict | Replayed;

type OutcomeRow = {
  readonly outcome: AppendOutcome["outcome"];
  readonly version: number | null;
  readonly position: number | null;
  readonly created_at: string | null;
};

const outcomeOf = (row: OutcomeRow): AppendOutcome => {
  if (row.outcome === "replayed") return { outcome: "replayed" };
  invariant(row.version !== null, "an append has no version");
  if (row.outcome === "conflict") return { outcome: "conflict", version: row.version };
  invariant(row.position !== null && row.created_at !== null, "an append has no position");
  return {
    outcome: row.outcome,
    version: row.version,
    position: row.position,
    createdAt: row.created_at,
  };
};

/**
 * Makes the partition that the next event needs. Whoever changes the schema at this moment is waited
 * for, a lock time-out after the other, as long as an append may take.
 */
async function ensureNextPartition(pool: Pool, clock: Clock): Promise<void> {
  const until = monotonicMs() + limits.appendMs;
  for (;;) {
    try {
      await pool.query(queries.ensureNextPartition, [clockText(clock)], limits.appendMs);
      return;
    } catch (error) {
      if (!isCode(error, "database-timeout") || monotonicMs() >= until) throw error;
    }
  }
}

/**
 * Appends a batch, whose JSON text the caller has made, in one statement; one outcome an append,
 * in order. Each append must be of a stream of its own. `clock` is compared with the database's own.
 * `deadlineMs` is for the statement alone. Throws VarveError; where `replyWasLost` says so, asking
 * again with the same batch finds out what happened. `clock-ahead` means that nothing of the batch
 * was stored by this call.
 */
export async function appendBatch(
  pool: Pool,
  batch: string,
  clock: Clock = Date.now,
  deadlineMs: number = limits.appendMs,
): Promise<readonly AppendOutcome[]> {
  const call = async () => {
    const parameters = [batch, clockText(clock)];
    const rows = await pool.query<OutcomeRow>(queries.appendEvents, parameters, deadlineMs);
    return rows.map(outcomeOf);
  };
  try {
    return await call();
  } catch (error) {
    if (!isCode(error, "partition-missing")) throw error;
    await ensureNextPartition(pool, clock);
    return call();
  }
}
