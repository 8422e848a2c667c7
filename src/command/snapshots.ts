/**
 * Snapshots: states are stored when enough events lie between them.
 *
 * What it promises: a threshold that is crossed is enough, whether or not a version hits it. Nothing
 * here fails or holds up a command for longer than its limit: it is stored already. What waits is
 * bounded by number and bytes, one snapshot a stream, the newest; what does not fit is dropped and
 * counted, and the next append tries again. Sealed values stay sealed.
 *
 * What it relies on: `varve.save_snapshot`, which never replaces a newer snapshot by an older one.
 *
 * How it fails: a snapshot that could not be stored is logged and counted. Loads replay more.
 *
 * What it does not do: decide what a snapshot is worth; `load.ts` does, when it reads one.
 */
import type { AnyAggregate } from "#domain/decider.ts";
import { sleep } from "#kernel/clock.ts";
import { invariant } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";
import type { Logger, Meter } from "#kernel/log.ts";
import { sealedKeyIds } from "#pii/sealed-key-ids.ts";
import type { Pool } from "#store/pool.ts";
import { type NewSnapshot, saveSnapshot } from "#store/snapshots.ts";

import type { Loaded } from "./load.ts";

/** `sync`: before the answer; `background`: after it; `manual`: only when an operator asks. */
export type SnapshotMode = "sync" | "background" | "manual";

export type SnapshotMeter = Meter<"varve.snapshot.saves">;

export type SnapshotOptions = {
  readonly pool: Pool;
  readonly mode: SnapshotMode;
  /** Events between two snapshots of a stream, at least 1. */
  readonly threshold: number;
  readonly meter: SnapshotMeter;
  readonly log: Logger;
};

export type Snapshots = {
  /**
   * Stores the state where it is due; in `sync` mode it resolves when that is done, or has taken too
   * long. False where it was not due, or was dropped: offer the next one. Throws as `newSnapshot`.
   */
  readonly offer: (aggregate: AnyAggregate, aggregateId: string, state: Loaded) => Promise<boolean>;
  /** Takes no more, and waits for those that were taken; false where the time was not enough. */
  readonly drain: (deadlineMs: number) => Promise<boolean>;
};

/**
 * The state as it goes to the store; undefined where the aggregate has no snapshots or no events.
 * Throws a Defect for a state that does not fit its own schema.
 */
export function newSnapshot(
  { type, snapshot }: AnyAggregate,
  aggregateId: string,
  { state, version, position, createdAt }: Loaded,
): NewSnapshot | undefined {
  if (snapshot === undefined || createdAt === undefined) return undefined;
  invariant(
    snapshot.state.safeParse(state).success,
    `the state of ${type} does not fit its schema`,
  );
  return {
    aggregateType: type,
    aggregateId,
    version,
    position,
    createdAt,
    schemaVersion: snapshot.version,
    state: JSON.stringify(state),
    subjectKeys: sealedKeyIds(state),
  };
}

type Entry = { readonly snapshot: NewSnapshot; readonly settled: PromiseWithResolvers<void> };

/** Snapshots that wait, one a stream, in the order in which the streams came. */
function createQueue() {
  const entries = new Map<string, Entry>();
  let bytes = 0;
  const sizeOf = (entry: Entry | undefined): number => entry?.snapshot.state.length ?? 0;
  return {
    /** The one that it replaces, if any; false where it does not fit. */
    add: (entry: Entry): Entry | false | undefined => {
      const { aggregateType, aggregateId } = entry.snapshot;
      // An id has no space in it.
      const stream = `${aggregateType} ${aggregateId}`;
      const older = entries.get(stream);
      const grown = bytes - sizeOf(older) + sizeOf(entry);
      const isFull = older === undefined && entries.size >= limits.snapshotQueue;
      if (isFull || grown > limits.statesBytes) return false;
      entries.set(stream, entry);
      bytes = grown;
      return older;
    },
    take: (): Entry | undefined => {
      const [first] = entries;
      if (first === undefined) return undefined;
      entries.delete(first[0]);
      bytes -= sizeOf(first[1]);
      return first[1];
    },
    isEmpty: () => entries.size === 0,
  };
}

/** Resolves with the work, or when the time is over. */
async function within(durationMs: number, work: Promise<void>): Promise<boolean> {
  const late = new AbortController();
  const timeOut = sleep(durationMs, late.signal).then(() => false);
  try {
    return await Promise.race([work.then(() => true), timeOut]);
  } finally {
    late.abort();
  }
}

/** One for each process. */
export function createSnapshots(options: SnapshotOptions): Snapshots {
  const { pool, mode, threshold, meter, log } = options;
  const queue = createQueue();
  const idle = Promise.withResolvers<void>();
  let inFlight = 0;
  let draining = false;
  const count = (outcome: string): void => meter("varve.snapshot.saves", 1, outcome);

  const store = async ({ snapshot, settled }: Entry): Promise<void> => {
    try {
      const saved = await saveSnapshot(pool, snapshot, limits.snapshotMs);
      count(saved ? "saved" : "outdated");
    } catch (error) {
      count("failed");
      const { aggregateType } = snapshot;
      log.warn({ error, aggregateType }, "a snapshot could not be stored");
    }
    settled.resolve();
  };

  const pump = (): void => {
    while (inFlight < limits.snapshotsInFlight) {
      const entry = queue.take();
      if (entry === undefined) break;
      inFlight += 1;
      void store(entry).then(() => {
        inFlight -= 1;
        pump();
      });
    }
    if (draining && inFlight === 0) idle.resolve();
  };

  return {
    offer: async (aggregate, aggregateId, loaded) => {
      const isDue = loaded.version - loaded.snapshotVersion >= threshold;
      const snapshot =
        isDue && mode !== "manual" ? newSnapshot(aggregate, aggregateId, loaded) : undefined;
      if (snapshot === undefined) return false;
      if (snapshot.state.length > limits.snapshotBytes) {
        count("too_large");
        return true;
      }
      const entry = { snapshot, settled: Promise.withResolvers<void>() };
      const replaced = draining ? false : queue.add(entry);
      if (replaced === false) {
        count("dropped");
        return false;
      }
      if (replaced !== undefined) {
        count("outdated");
        replaced.settled.resolve();
      }
      pump();
      if (mode === "sync") await within(limits.snapshotMs, entry.settled.promise);
      return true;
    },
    drain: (deadlineMs) => {
      draining = true;
      pump();
      return within(deadlineMs, idle.promise);
    },
  };
}
