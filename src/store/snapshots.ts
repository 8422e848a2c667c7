import { eventOf, type EventRow, type StoredEvent } from "./events.ts";
import type { Pool, Row } from "./pool.ts";
import { queries } from "./statements.ts";

/** Where a snapshot stands in its stream and in the log. */
type Place = {
  readonly version: number;
  readonly position: number;
  /** When its last event was stored, ISO 8601 UTC. */
  readonly createdAt: string;
};

export type StoredSnapshot = Place & {
  readonly schemaVersion: number;
  /** Null also where it is of another schema than was asked for, or ahead of its stream. */
  readonly state: unknown;
};

export type NewSnapshot = Place & {
  readonly aggregateType: string;
  readonly aggregateId: string;
  readonly schemaVersion: number;
  /** JSON text. */
  readonly state: string;
  /** Ids of the data keys that the state's sealed values need. */
  readonly subjectKeys: readonly string[];
};

export type LoadRequest = {
  readonly aggregateType: string;
  readonly aggregateId: string;
  /** The schema version that a snapshot must have; null to replay from the first event. */
  readonly schemaVersion: number | null;
  /** 1..1000. */
  readonly limit: number;
};

/** How a load begins, all of it as of one moment. */
export type LoadStart = {
  /** 0 where there is no stream. */
  readonly streamVersion: number;
  /** Absent also where none was asked for. */
  readonly snapshot?: StoredSnapshot;
  /** Those after the snapshot where it has a state, else from the first on; at most `limit`. */
  readonly events: readonly StoredEvent[];
};

type LoadRow = Row & {
  readonly stream_version: number;
  readonly snapshot_version: number | null;
  readonly snapshot_position: number;
  readonly snapshot_created_at: string;
  readonly snapshot_schema_version: number;
  readonly state: unknown;
  readonly position: number | null;
};

/** A stream's snapshot and the first events after it, in one round trip. Throws as `readStream`. */
export async function readLoadStart(pool: Pool, request: LoadRequest): Promise<LoadStart> {
  const rows = await pool.query<LoadRow>(queries.loadAggregate, [
    request.aggregateType,
    request.aggregateId,
    request.schemaVersion,
    request.limit,
  ]);
  const [first] = rows;
  if (first === undefined) return { streamVersion: 0, events: [] };
  const { stream_version: streamVersion, snapshot_version: version, state } = first;
  const events = first.position === null ? [] : (rows as readonly Row[] as EventRow[]).map(eventOf);
  if (version === null) return { streamVersion, events };
  const snapshot = {
    version,
    position: first.snapshot_position,
    createdAt: first.snapshot_created_at,
    schemaVersion: first.snapshot_schema_version,
    state,
  };
  return { streamVersion, snapshot, events };
}

/**
 * Stores the state in place of an older one; false where nothing changed, because there is one that
 * is as new, or no such stream at that version. A repeat is safe.
 */
export async function saveSnapshot(
  pool: Pool,
  snapshot: NewSnapshot,
  deadlineMs?: number,
): Promise<boolean> {
  const parameters = [
    snapshot.aggregateType,
    snapshot.aggregateId,
    snapshot.version,
    snapshot.position,
    snapshot.createdAt,
    snapshot.schemaVersion,
    snapshot.state,
    JSON.stringify(snapshot.subjectKeys),
  ];
  const [row] = await pool.query<{ saved: boolean }>(queries.saveSnapshot, parameters, deadlineMs);
  return row?.saved === true;
}

/** Snapshots of one aggregate type and schema version, counted. */
export type SnapshotCount = {
  readonly aggregateType: string;
  readonly schemaVersion: number;
  readonly snapshots: number;
  readonly bytes: number;
  /** When the first and the last of them were taken, ISO 8601 UTC. */
  readonly oldest: string;
  readonly newest: string;
};

/** The snapshots that there are, counted by type and schema version, in that order. */
export async function listSnapshots(pool: Pool): Promise<readonly SnapshotCount[]> {
  const rows = await pool.query<
    { aggregate_type: string; schema_version: number } & Pick<
      SnapshotCount,
      "snapshots" | "bytes" | "oldest" | "newest"
    >
  >(queries.listSnapshots, []);
  return rows.map(({ aggregate_type: aggregateType, schema_version: schemaVersion, ...rest }) => ({
    aggregateType,
    schemaVersion,
    ...rest,
  }));
}

export type Unsnapshotted = {
  readonly aggregateType: string;
  readonly schemaVersion: number;
  /** So many events at least after the snapshot, or in all where there is none. */
  readonly over: number;
  /** Exclusive; '' from the start. */
  readonly afterId: string;
  readonly limit: number;
};

/** Ids of streams with many events after their snapshot, ascending. */
export async function listUnsnapshotted(
  pool: Pool,
  { aggregateType, schemaVersion, over, afterId, limit }: Unsnapshotted,
): Promise<readonly string[]> {
  const parameters = [aggregateType, schemaVersion, over, afterId, limit];
  const rows = await pool.query<{ aggregate_id: string }>(queries.listUnsnapshotted, parameters);
  return rows.map((row) => row.aggregate_id);
}

/** Removes at most `limit` snapshots of the type, of those ids or all; answers how many. */
export async function dropSnapshots(
  pool: Pool,
  aggregateType: string,
  { ids, limit }: { readonly ids?: readonly string[]; readonly limit: number },
): Promise<number> {
  const list = ids === undefined ? null : JSON.stringify(ids);
  const [row] = await pool.query<{ removed: number }>(queries.dropSnapshots, [
    aggregateType,
    list,
    limit,
  ]);
  return row?.removed ?? 0;
}
