import type { Pool, Row } from "./pool.ts";
import { queries } from "./statements.ts";

/** A subscription as a program can run it: a view by its definition, a reactor by what it wants. */
export type Runnable =
  | { readonly name: string; readonly version: number; readonly fingerprint: string }
  | {
      readonly name: string;
      readonly kind: "reactor";
      /** Without it all; as it was declared. */
      readonly eventTypes: readonly string[] | undefined;
      readonly aggregateTypes: readonly string[] | undefined;
    };

/** The right to write for one partition of a subscription, and what its holder must know. */
export type Lease = {
  readonly subscription: string;
  readonly partition: number;
  /** How many there are; a stream belongs to one of them. */
  readonly partitions: number;
  readonly epoch: number;
  /** Where the checkpoint is. */
  readonly position: number;
  /** It must not go past this while the number of partitions changes. */
  readonly barrier: number | null;
  readonly paused: boolean;
  /** Another instance is to have it. */
  readonly surplus: boolean;
  /** Until its next dead letter is to be tried again; below 0 where that is over, null for none. */
  readonly dueInMs: number | null;
  /** Whether any dead letter waits, in whatever partition. */
  readonly openLetters: boolean;
  /** Of a view: whether events that it has still to pass were discarded, in the version before. */
  readonly discardsAhead: boolean;
  /** Events behind the checkpoint that were worked on when a worker ended. */
  readonly suspects: readonly { readonly position: number; readonly crashes: number }[];
  /** Of a view's definition; null for a reactor. */
  readonly version: number | null;
  readonly fingerprint: string | null;
};

type LeaseRow = Row &
  Omit<Lease, "dueInMs" | "openLetters" | "discardsAhead"> & {
    readonly due_in_ms: number | null;
    readonly open_letters: boolean;
    readonly discards_ahead: boolean;
  };

/** What the holder of a lease says of itself; stored with it, for whoever asks another instance. */
export type LeaseReport = Readonly<Record<string, unknown>> & {
  readonly subscription: string;
  readonly partition: number;
  readonly epoch: number;
};

export type LeaseRequest = {
  /** Random for each start of a process. */
  readonly owner: string;
  readonly runnable: readonly Runnable[];
  readonly durationMs: number;
  readonly reports: readonly LeaseReport[];
};

/**
 * Takes, renews and shares out leases; answers with those held now. Another owner's are left alone,
 * and of a view only the versions of the same definition are given.
 */
export async function acquireLeases(
  pool: Pool,
  { owner, runnable, durationMs, reports }: LeaseRequest,
): Promise<readonly Lease[]> {
  const rows = await pool.query<LeaseRow>(queries.acquireLeases, [
    owner,
    JSON.stringify(runnable),
    durationMs,
    JSON.stringify(reports),
  ]);
  return rows.map(({ due_in_ms, open_letters, discards_ahead, ...lease }) => ({
    ...lease,
    dueInMs: due_in_ms,
    openLetters: open_letters,
    discardsAhead: discards_ahead,
  }));
}

/** Ends one lease, so that another instance can go on at once. */
export async function releaseLease(
  pool: Pool,
  owner: string,
  { subscription, partition }: Pick<Lease, "subscription" | "partition">,
): Promise<void> {
  await pool.query(queries.releaseLease, [owner, subscription, partition]);
}

/** Ends all leases of the owner, and its share in those of others. */
export async function releaseLeases(pool: Pool, owner: string): Promise<void> {
  await pool.query(queries.releaseLeases, [owner]);
}
