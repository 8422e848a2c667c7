import type postgres from "postgres";

import { createStates, type StatesOptions } from "#command/states.ts";
import type { Pool } from "#store/pool.ts";

/** Sums of what was metered, by name and outcome: `varve.snapshot.saves saved`. */
export function openCounts() {
  const counts: Record<string, number> = {};
  return {
    counts,
    meter: (name: string, value: number, outcome?: string): void => {
      const key = outcome === undefined ? name : `${name} ${outcome}`;
      counts[key] = (counts[key] ?? 0) + value;
    },
  };
}

/** A log whose lines can be looked at. */
export function openLines() {
  const lines: string[] = [];
  const line = (_: unknown, message: string): void => void lines.push(message);
  return { lines, log: { debug: line, info: line, warn: line, error: line } };
}

/** The states of one instance as the service has them, and what they counted and logged. */
export function openTestStates(pool: Pool, changed: Partial<StatesOptions> = {}) {
  const { counts, meter } = openCounts();
  const { lines, log } = openLines();
  const given = { pool, mode: "sync", threshold: 100, heldMax: 1_000, meter, log } as const;
  return { ...createStates({ ...given, ...changed }), counts, lines };
}

/** Version, schema version and state of the stream's snapshot; undefined where it has none. */
export async function storedSnapshot(sql: postgres.Sql, id: string) {
  const [row] = await sql<{ version: number; schema: number; state: unknown }[]>`
    select version::int, schema_version as schema, state from varve.snapshots
     where aggregate_id = ${id}`;
  return row && [row.version, row.schema, row.state];
}
