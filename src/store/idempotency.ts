import type { Clock } from "#kernel/clock.ts";

import type { IdempotencyClaim } from "./append.ts";
import { clockText } from "./clock.ts";
import type { Pool, Row } from "./pool.ts";
import { queries } from "./statements.ts";

/** What a key led to, as it was answered the first time. */
export type IdempotentResult = {
  readonly fingerprint: string;
  /** Of the stream, as the command left or found it; 0 where there was none. */
  readonly version: number;
  /** Of the stream's last event then; 0 where there was none. */
  readonly position: number;
  /** Empty where the command changed nothing. */
  readonly events: readonly {
    readonly id: string;
    readonly type: string;
    readonly version: number;
    readonly position: number;
  }[];
};

/** The result of a principal's key; undefined for a key that led to nothing yet, or is forgotten. */
export async function findIdempotentResult(
  pool: Pool,
  principal: string,
  key: string,
): Promise<IdempotentResult | undefined> {
  const parameters = [principal, key];
  const [row] = await pool.query<Row & IdempotentResult>(queries.findIdempotentResult, parameters);
  return row;
}

/** The stream of a command that changed nothing, at the version at which it was decided. */
export type Unchanged = {
  readonly aggregateType: string;
  readonly aggregateId: string;
  readonly version: number;
};

/** Records the key of such a command; false where it was recorded before. A repeat is safe. */
export async function recordUnchanged(
  pool: Pool,
  { principal, key, fingerprint }: IdempotencyClaim,
  { aggregateType, aggregateId, version }: Unchanged,
): Promise<boolean> {
  const [row] = await pool.query<{ claimed: boolean }>(queries.claimIdempotency, [
    principal,
    key,
    fingerprint,
    aggregateType,
    aggregateId,
    version,
  ]);
  return row?.claimed === true;
}

/** Forgets at most `limit` keys that are older than `ageMs`, the oldest first; answers how many. */
export async function expireIdempotency(
  pool: Pool,
  { ageMs, limit, clock = Date.now }: ExpiryOptions,
): Promise<number> {
  const parameters = [ageMs, limit, clockText(clock)];
  const [row] = await pool.query<{ expired: number }>(queries.expireIdempotency, parameters);
  return row?.expired ?? 0;
}

export type ExpiryOptions = {
  readonly ageMs: number;
  readonly limit: number;
  /** What the database's clock is compared with. Default: the machine's. */
  readonly clock?: Clock;
};
