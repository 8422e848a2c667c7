import type { Pool, Row } from "./pool.ts";
import { queries } from "./statements.ts";

/** What a key led to, as it was answered the first time. */
export type IdempotentResult = {
  readonly fingerprint: string;
  readonly aggregateType: string;
  readonly aggregateId: string;
  readonly events: readonly {
    readonly id: string;
    readonly type: string;
    readonly version: number;
    readonly position: number;
  }[];
};

type ResultRow = Row & {
  readonly fingerprint: string;
  readonly aggregate_type: string;
  readonly aggregate_id: string;
  readonly events: IdempotentResult["events"] | null;
};

/** The result of a principal's key; undefined for a key that led to nothing yet, or is forgotten. */
export async function findIdempotentResult(
  pool: Pool,
  principal: string,
  key: string,
): Promise<IdempotentResult | undefined> {
  const [row] = await pool.query<ResultRow>(queries.findIdempotentResult, [principal, key]);
  if (row === undefined) return undefined;
  return {
    fingerprint: row.fingerprint,
    aggregateType: row.aggregate_type,
    aggregateId: row.aggregate_id,
    events: row.events ?? [],
  };
}

/** Forgets at most `limit` keys that are older than `ageMs`, the oldest first; answers how many. */
export async function expireIdempotency(pool: Pool, ageMs: number, limit: number): Promise<number> {
  const [row] = await pool.query<{ expired: number }>(queries.expireIdempotency, [ageMs, limit]);
  return row?.expired ?? 0;
}
