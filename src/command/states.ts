/**
 * The states that commands decide on: held in memory, or loaded; and what is kept of them.
 *
 * What it promises: a held state is a guess, as good as the last append of this process: another
 * instance may have gone on. Whoever decides on it must let an append verify it, or decide again on
 * a loaded one. After an append the new state is held, and stored as a snapshot where it is due.
 *
 * What it relies on: that an aggregate which declares a snapshot has a state that JSON can hold. No
 * other state is held: its size could not be told.
 *
 * How it fails: `load` as `loadAggregate`. `advance` never does: the events are stored already.
 */
import type { AnyAggregate } from "#domain/decider.ts";
import { fold } from "#domain/fold.ts";
import type { PastEvent } from "#domain/upcast.ts";
import type { Meter } from "#kernel/log.ts";

import { createHeldStates, freeze } from "./held-states.ts";
import { loadAggregate, type Loaded, type LoadMeter } from "./load.ts";
import { createSnapshots, type SnapshotMeter, type SnapshotOptions } from "./snapshots.ts";

/** One stream, by its aggregate's declaration. */
export type Target = { readonly aggregate: AnyAggregate; readonly aggregateId: string };

export type States = {
  /** The state after the last append of this process, if it is still held. */
  readonly held: (target: Target) => Loaded | undefined;
  /** Drops a held state that nothing has verified, or an older one. */
  readonly forget: (target: Target, state: Loaded) => void;
  /** The state as it is in the database now. */
  readonly load: (target: Target) => Promise<Loaded>;
  /** Goes on from the state by the events that were appended to it. Never rejects. */
  readonly advance: (target: Target, from: Loaded, appended: readonly PastEvent[]) => Promise<void>;
  /** Waits for snapshots that are under way; false where the time was not enough. */
  readonly drain: (deadlineMs: number) => Promise<boolean>;
};

export type StatesOptions = SnapshotOptions & {
  readonly meter: LoadMeter & SnapshotMeter & Meter<"varve.aggregate.cache_lookups">;
  /** How many states are held; 0 for none. */
  readonly heldMax: number;
};

/** As it comes back from the database, so that no fold can tell the two apart. */
const stored = (event: PastEvent): PastEvent => ({
  ...event,
  payload: JSON.parse(JSON.stringify(event.payload)) as unknown,
});

/** One for each process. */
export function createStates(options: StatesOptions): States {
  const { meter, heldMax, log } = options;
  const heldStates = createHeldStates(heldMax);
  const snapshots = createSnapshots(options);

  return {
    held: ({ aggregate, aggregateId }) => {
      if (heldMax === 0 || aggregate.snapshot === undefined) return undefined;
      const found = heldStates.find(aggregate, aggregateId);
      meter("varve.aggregate.cache_lookups", 1, found === undefined ? "miss" : "hit");
      return found;
    },
    forget: ({ aggregate, aggregateId }, { version }) =>
      heldStates.forget(aggregate, aggregateId, version),
    load: async ({ aggregate, aggregateId }) => {
      const loaded = await loadAggregate(options, aggregate, aggregateId);
      // What is kept goes on from here: a decider that changed it would change what is stored.
      if (aggregate.snapshot !== undefined) freeze(loaded.state);
      return loaded;
    },
    advance: async ({ aggregate, aggregateId }, from, appended) => {
      if (aggregate.snapshot === undefined) return;
      try {
        const createdAt = appended.at(-1)?.createdAt ?? from.createdAt;
        const folded = fold(aggregate, from, appended.map(stored));
        const state = { ...from, ...folded, ...(createdAt === undefined ? {} : { createdAt }) };
        heldStates.hold(aggregate, aggregateId, state);
        if (!(await snapshots.offer(aggregate, aggregateId, state))) return;
        // Known here before any load could tell, so that the next append does not offer it again.
        heldStates.hold(aggregate, aggregateId, { ...state, snapshotVersion: state.version });
      } catch (error) {
        heldStates.forget(aggregate, aggregateId, from.version);
        log.error({ error, aggregateType: aggregate.type }, "a stored state could not be kept");
      }
    },
    drain: snapshots.drain,
  };
}
