/**
 * Loading: the state of an aggregate from its snapshot and the events after it.
 *
 * What it promises: the state is that of a replay from the first event, wherever the snapshot
 * stands. One round trip for the snapshot and the first page, which touches no month before the
 * snapshot; pages follow one at a time, so that a long stream costs no more memory than a short one.
 *
 * What it relies on: a state's schema version, raised whenever its meaning changes.
 *
 * How it fails: a snapshot that is missing, of another schema, ahead of its stream or unreadable is
 * counted and replayed past, never believed; one that is ahead is removed. `schema-behind`,
 * `partition-archived` and what the pool throws; a stream with a gap is a defect.
 */
import type { AnyAggregate } from "#domain/decider.ts";
import { fold, nothingFolded, type Folded } from "#domain/fold.ts";
import { invariant } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";
import type { Meter } from "#kernel/log.ts";
import { readStream } from "#store/events.ts";
import type { Pool } from "#store/pool.ts";
import {
  dropSnapshots,
  readLoadStart,
  type LoadRequest,
  type LoadStart,
} from "#store/snapshots.ts";

export type Loaded = Folded & {
  /** When the last event was stored; absent where there is none. */
  readonly createdAt?: string;
  /** Up to where a snapshot spares the replay, for this program or for one of a newer schema. */
  readonly snapshotVersion: number;
};

export type LoadMeter = Meter<"varve.snapshot.loads" | "varve.aggregate.replayed_events">;

export type LoadOptions = {
  readonly pool: Pool;
  readonly meter: LoadMeter;
  /** A stream of so many events should have a snapshot: a shorter one lacks nothing. */
  readonly threshold: number;
};

/** What can be told of a snapshot before its state is looked at. */
function placed({ snapshot, streamVersion }: LoadStart, schemaVersion: number) {
  if (snapshot === undefined) return "missing";
  if (snapshot.version > streamVersion) return "ahead_of_stream";
  return snapshot.schemaVersion === schemaVersion ? snapshot : "other_schema_version";
}

/** The state of the snapshot, if it fits its schema and the events do follow it, in all that is told. */
function opened(
  { state: schema }: NonNullable<AnyAggregate["snapshot"]>,
  snapshot: NonNullable<LoadStart["snapshot"]>,
  { events, streamVersion }: LoadStart,
): Loaded | undefined {
  const { version, position, createdAt } = snapshot;
  const [next] = events;
  const follows =
    next === undefined
      ? streamVersion === version
      : next.version === version + 1 && next.position > position && next.createdAt >= createdAt;
  const state = schema.safeParse(snapshot.state);
  if (!state.success || !follows) return undefined;
  return { state: state.data, version, position, createdAt, snapshotVersion: version };
}

/** Where the fold begins, and the events that follow it. */
async function begin(
  { pool, meter, threshold }: LoadOptions,
  aggregate: AnyAggregate,
  request: LoadRequest,
): Promise<{ readonly from: Loaded; readonly start: LoadStart }> {
  const start = await readLoadStart(pool, request);
  const nothing = { ...nothingFolded(aggregate), snapshotVersion: 0 };
  const { snapshot: definition } = aggregate;
  if (definition === undefined) return { from: nothing, start };
  const found = placed(start, definition.version);
  if (typeof found === "string") {
    const isMissed = found !== "missing" || start.streamVersion >= threshold;
    if (isMissed) meter("varve.snapshot.loads", 1, found);
    if (found === "ahead_of_stream") {
      // Once the stream has come so far, nothing would tell it from a true one.
      const { aggregateType, aggregateId } = request;
      await dropSnapshots(pool, aggregateType, { ids: [aggregateId], limit: 1 });
    }
    const { version = 0, schemaVersion = 0 } = start.snapshot ?? {};
    // During a roll-out, two programs would else replace each other's snapshot at every append.
    const isNewer = found === "other_schema_version" && schemaVersion > definition.version;
    return { from: { ...nothing, snapshotVersion: isNewer ? version : 0 }, start };
  }
  const from = opened(definition, found, start);
  meter("varve.snapshot.loads", 1, from === undefined ? "unreadable" : "hit");
  if (from !== undefined) return { from, start };
  return { from: nothing, start: await readLoadStart(pool, { ...request, schemaVersion: null }) };
}

/** The aggregate as it is now. Version 0 where there is no stream. */
export async function loadAggregate(
  options: LoadOptions,
  aggregate: AnyAggregate,
  aggregateId: string,
): Promise<Loaded> {
  const stream = { aggregateType: aggregate.type, aggregateId };
  const limit = limits.readEvents;
  const schemaVersion = aggregate.snapshot?.version ?? null;
  const { from, start } = await begin(options, aggregate, { ...stream, schemaVersion, limit });
  const toVersion = start.streamVersion;
  let loaded = from;
  let page = start.events;
  while (loaded.version < toVersion) {
    const last = page.at(-1);
    const end = `ends at version ${loaded.version} of ${toVersion}`;
    invariant(last !== undefined, `a stream of ${aggregate.type} ${end}: run \`varve verify\``);
    loaded = { ...loaded, ...fold(aggregate, loaded, page), createdAt: last.createdAt };
    if (loaded.version === toVersion) break;
    const range = { fromVersion: loaded.version + 1, toVersion, limit, since: last.createdAt };
    page = await readStream(options.pool, { ...stream, ...range });
  }
  options.meter("varve.aggregate.replayed_events", loaded.version - from.version);
  return loaded;
}
