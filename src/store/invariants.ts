import type { Statement } from "./pool.ts";
import { queries } from "./statements.ts";

/** How often an invariant is asked: once, once a partition, or once a page of streams. */
type Extent = "whole" | "partition" | "stream-page";

/**
 * Something that must be true of every database that the service has written. Its statement gives
 * the rows that break it as `broken`, at most 100, each with the `total`. One statement sees one
 * moment of the database, so that appends meanwhile break nothing.
 */
export type Invariant = {
  readonly name: string;
  /** What is true where it holds. */
  readonly says: string;
  /** A setting can be wanted in development; everything else is a fault wherever it is found. */
  readonly severity: "fault" | "fault-in-production";
  readonly extent: Extent;
  readonly statement: Statement;
};

const invariant = (
  name: string,
  extent: Extent,
  statement: Statement,
  says: string,
): Invariant => ({ name, says, severity: "fault", extent, statement });

/** Every invariant, the cheap ones first. */
export const invariants: readonly Invariant[] = [
  {
    name: "durability",
    says: "what is acknowledged survives a crash: fsync, full_page_writes, synchronous_commit",
    severity: "fault-in-production",
    extent: "whole",
    statement: queries.verifyDurability,
  },
  invariant(
    "partition-bounds",
    "whole",
    queries.verifyPartitionBounds,
    "partitions are whole months in UTC, one after the other, as the register and the catalogue say",
  ),
  invariant(
    "partition-indexes",
    "whole",
    queries.verifyPartitionIndexes,
    "every attached partition has its three unique indexes",
  ),
  invariant(
    "register",
    "whole",
    queries.verifyRegister,
    "the positions of each partition are those of its events, and follow the partition before",
  ),
  invariant(
    "checkpoints",
    "whole",
    queries.verifyCheckpoints,
    "no checkpoint is past the end of the log",
  ),
  invariant("leases", "whole", queries.verifyLeases, "leases end, and fence by their epoch"),
  invariant(
    "dead-letters",
    "whole",
    queries.verifyDeadLetters,
    "dead letters are of positions that exist",
  ),
  invariant(
    "proofs",
    "whole",
    queries.verifyProofs,
    "no subscription has skipped a position or taken it twice, and its proof is the log's",
  ),
  invariant("views", "whole", queries.verifyViews, "every view has its table and its checkpoint"),
  invariant(
    "idempotency",
    "whole",
    queries.verifyIdempotency,
    "idempotency keys lead to events that are there",
  ),
  invariant(
    "event-partitions",
    "whole",
    queries.verifyEventPartitions,
    "every event lies in the partition of its month",
  ),
  invariant("event-ids", "whole", queries.verifyEventIds, "no two events have the same id"),
  invariant(
    "positions",
    "partition",
    queries.verifyPositions,
    "positions go up by one from event to event",
  ),
  invariant(
    "created-at",
    "partition",
    queries.verifyCreatedAt,
    "created_at never runs back from position to position",
  ),
  invariant(
    "subject-keys",
    "partition",
    queries.verifySubjectKeys,
    "the data keys that events need have a row, if only a tombstone",
  ),
  invariant(
    "streams",
    "stream-page",
    queries.verifyStreams,
    "every stream has its events, from the first to its version, in the months that it says",
  ),
  invariant(
    "stream-versions",
    "stream-page",
    queries.verifyStreamVersions,
    "versions of a stream go up by one, and its positions with them",
  ),
];
