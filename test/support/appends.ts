import { uuidv7 } from "#kernel/ids.ts";
import { appendBatch, type Append, type AppendOutcome, type NewEvent } from "#store/append.ts";
import type { Pool } from "#store/pool.ts";

/** An event that nothing but the store looks at. */
export const anEvent = (payload: unknown = { value: 1 }): NewEvent => ({
  id: uuidv7(),
  type: "Happened",
  schemaVersion: 1,
  timestamp: "2026-01-02T03:04:05.000006Z",
  payload,
  metadata: { requestId: "r-1" },
  subjectKeys: [],
});

/** An append of new events to the stream of that id. */
export const appendTo = (
  aggregateId: string,
  expectedVersion: number | null,
  count = 1,
): Append => ({
  aggregateType: "Thing",
  aggregateId,
  expectedVersion,
  events: Array.from({ length: count }, () => anEvent()),
});

/** Sends the appends as one batch. */
export const appendAll = (
  pool: Pool,
  ...appends: readonly Append[]
): Promise<readonly AppendOutcome[]> => appendBatch(pool, JSON.stringify(appends));
