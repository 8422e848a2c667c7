/**
 * Partitions: the months of the log from the day they are made until they lie in an archive.
 *
 * What it is: the register, the lease, and the steps in the life of one partition; `archive.ts` and
 * `restore.ts` put the steps in order, `files.ts` and `manifest.ts` are what lies on disk.
 *
 * What it promises: a partition's table is dropped only after every one of its events was read back
 * from disk and found to be what the table holds. Each step is one statement that only the holder of
 * the lease can make, and each can be repeated: whoever was killed at any moment runs it again.
 *
 * What it relies on: a closed partition gets no more events, and readers name a partition that is
 * not attached instead of passing its events over.
 *
 * How it fails: `partition-kept` (something still needs it), `partition-busy` (another is at work, or
 * an open transaction holds it: later), `archive-damaged` (what lies on disk is not the partition),
 * `lease-lost`, `service-unavailable` (the disk), and what the pool throws.
 *
 * What it does not do: delete an archive, or copy it elsewhere.
 */
import type { Clock } from "#kernel/clock.ts";
import { VarveError } from "#kernel/errors.ts";
import { uuidv7 } from "#kernel/ids.ts";
import { limits } from "#kernel/limits.ts";
import { clockText } from "#store/clock.ts";
import type { Pool, Row } from "#store/pool.ts";
import { queries } from "#store/statements.ts";

/** Months that are there before they are needed: a fault has a season to be noticed in. */
export const monthsAhead = 3;

/** What the register and the catalogue know of a partition. Times are ISO 8601 UTC. */
export type Partition = {
  readonly name: string;
  readonly lowerBound: string;
  readonly upperBound: string;
  /** Null before its first event. */
  readonly firstPosition: number | null;
  /** Null until it is closed. */
  readonly lastPosition: number | null;
  readonly events: number;
  /** Of its table with indexes; 0 where it is not there. */
  readonly bytes: number;
  readonly state: "attached" | "detached" | "archived" | "restoring";
  /** Where its table is: `pending` is half-way from attached to apart. */
  readonly table: "attached" | "pending" | "apart" | "gone";
  readonly closed: boolean;
  readonly frozenAt: string | null;
  readonly holdReason: string | null;
  /** Of its last archive, which outlives a restore. */
  readonly archivePlace: string | null;
  readonly archiveDigest: string | null;
  readonly archiveChain: string | null;
  readonly archivedAt: string | null;
  /** Whether this role may vacuum and detach it. */
  readonly own: boolean;
  /** Whether retention lets it go: closed, not held, and nobody brought it back. */
  readonly due: boolean;
};

type PartitionRow = Row & {
  readonly name: string;
  readonly lower_bound: string;
  readonly upper_bound: string;
  readonly first_position: number | null;
  readonly last_position: number | null;
  readonly events: number;
  readonly bytes: number;
  readonly state: Partition["state"];
  readonly place: Partition["table"];
  readonly closed: boolean;
  readonly frozen_at: string | null;
  readonly hold_reason: string | null;
  readonly archive_place: string | null;
  readonly archive_digest: string | null;
  readonly archive_chain: string | null;
  readonly archived_at: string | null;
  readonly own: boolean;
  readonly due: boolean | null;
};

const partitionOf = (row: PartitionRow): Partition => ({
  name: row.name,
  lowerBound: row.lower_bound,
  upperBound: row.upper_bound,
  firstPosition: row.first_position,
  lastPosition: row.last_position,
  events: row.events,
  bytes: row.bytes,
  state: row.state,
  table: row.place,
  closed: row.closed,
  frozenAt: row.frozen_at,
  holdReason: row.hold_reason,
  archivePlace: row.archive_place,
  archiveDigest: row.archive_digest,
  archiveChain: row.archive_chain,
  archivedAt: row.archived_at,
  own: row.own,
  due: row.due === true,
});

/** All partitions, the oldest first; `retentionMonths` says which are `due`. */
export async function listPartitions(
  pool: Pool,
  retentionMonths?: number,
): Promise<readonly Partition[]> {
  const rows = await pool.query<PartitionRow>(queries.listPartitions, [retentionMonths ?? null]);
  return rows.map(partitionOf);
}

/** One partition. Throws `partition-kept` where there is none of that name. */
export async function findPartition(pool: Pool, name: string): Promise<Partition> {
  const found = (await listPartitions(pool)).find((one) => one.name === name);
  if (found === undefined) throw new VarveError("partition-kept", "there is no such partition");
  return found;
}

/** Holds a partition in the database, or with null lets it go. False where there is no such one. */
export async function holdPartition(
  pool: Pool,
  name: string,
  reason: string | null,
): Promise<boolean> {
  const [row] = await pool.query<{ state: string | null }>(queries.holdPartition, [name, reason]);
  return (row?.state ?? null) !== null;
}

/**
 * Makes the partitions of this month and `monthsAhead` more; returns the names of new ones. Throws
 * `clock-ahead` where the database's clock is not to be believed, by `clock`.
 */
export async function preparePartitions(
  pool: Pool,
  monthsAhead: number,
  clock: Clock = Date.now,
): Promise<readonly string[]> {
  const parameters = [monthsAhead, clockText(clock)];
  const rows = await pool.query<{ name: string }>(queries.ensurePartitions, parameters);
  return rows.map(({ name }) => name);
}

/**
 * Closes the months that have been over for `marginMs`; returns their names. Throws `clock-ahead` where
 * the database's clock is not to be believed, by `clock`.
 */
export async function closePartitions(
  pool: Pool,
  marginMs: number,
  clock: Clock,
): Promise<readonly string[]> {
  const parameters = [marginMs, clockText(clock)];
  const rows = await pool.query<{ name: string }>(queries.closePartitions, parameters);
  return rows.map(({ name }) => name);
}

/** Writes down what a run of the upkeep came to; answers how often it failed in a row. */
export async function recordUpkeep(pool: Pool, errorCode: string | null): Promise<number> {
  const [row] = await pool.query<{ failures: number }>(queries.recordUpkeep, [errorCode]);
  return row?.failures ?? 0;
}

/** Takes or renews the lease; false where another holds it. */
async function acquireLease(pool: Pool, owner: string): Promise<boolean> {
  const parameters = [owner, limits.leaseMs];
  const [row] = await pool.query<{ held: boolean }>(queries.acquirePartitionLease, parameters);
  return row?.held === true;
}

/**
 * Does the work as the only one in the installation who changes the life of partitions, and gives
 * the lease back. Throws `partition-busy` where another holds it. A lease that is lost meanwhile is
 * noticed by the next step, which the database refuses.
 */
export async function withPartitionLease<Value>(
  pool: Pool,
  work: (owner: string) => Promise<Value>,
): Promise<Value> {
  const owner = uuidv7();
  if (!(await acquireLease(pool, owner))) {
    throw new VarveError("partition-busy", "another is at work on the partitions: try again later");
  }
  const renewal = setInterval(() => {
    void acquireLease(pool, owner).catch(() => false);
  }, limits.leaseRenewMs);
  try {
    return await work(owner);
  } finally {
    clearInterval(renewal);
    // It expires by itself where this does not come through.
    await pool.query(queries.releaseLeases, [owner]).catch(() => undefined);
  }
}
