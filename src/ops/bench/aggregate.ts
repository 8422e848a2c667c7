import { z } from "zod";

import { loadAggregate } from "#command/load.ts";
import { newSnapshot } from "#command/snapshots.ts";
import type { AnyAggregate } from "#domain/decider.ts";
import { invariant } from "#kernel/errors.ts";
import { readStream } from "#store/events.ts";
import type { Pool } from "#store/pool.ts";
import { saveSnapshot } from "#store/snapshots.ts";

const stateSchema = z.strictObject({ events: z.int(), characters: z.int() });
const payloadSchema = z.strictObject({ filler: z.string() });
type State = z.output<typeof stateSchema>;

/** What a benchmark loads: as little folding as there can be, so that loading is what is measured. */
const replayed: AnyAggregate = {
  name: "bench",
  type: "Bench",
  decider: {
    initialState: { events: 0, characters: 0 } satisfies State,
    decide: () => ({ ok: true, value: [] }),
    evolve: (state, { payload }) => {
      const { events, characters } = state as State;
      const { filler } = payload as z.output<typeof payloadSchema>;
      return { events: events + 1, characters: characters + filler.length };
    },
  },
  commands: {},
  events: { BenchAppended: { version: 1, payload: payloadSchema } },
  rejections: {},
  views: [],
};
const snapshotted: AnyAggregate = { ...replayed, snapshot: { version: 1, state: stateSchema } };

const options = (pool: Pool) => ({ pool, meter: () => undefined, threshold: 1 });

/** Loads a stream of so many events, from its snapshot or from its first event. */
export async function loadStream(
  pool: Pool,
  { id, events, from }: { id: string; events: number; from: "snapshot" | "start" },
): Promise<void> {
  const aggregate = from === "snapshot" ? snapshotted : replayed;
  const loaded = await loadAggregate(options(pool), aggregate, id);
  const isWhole = loaded.version === events && (loaded.state as State).events === events;
  // Else it would be measured how fast something is left out.
  invariant(isWhole, "a load gives the whole state");
  invariant(loaded.snapshotVersion > 0 === (from === "snapshot"), "a load has its snapshot");
}

/** Stores the snapshot that the stream had at that version. */
export async function snapshotAt(pool: Pool, id: string, version: number): Promise<void> {
  const range = { aggregateType: replayed.type, aggregateId: id, limit: 1 };
  const [event] = await readStream(pool, { ...range, fromVersion: version, toVersion: version });
  invariant(event !== undefined, "a stream has the version of its snapshot");
  const { filler } = event.payload as z.output<typeof payloadSchema>;
  const { position, createdAt } = event;
  const state: State = { events: version, characters: version * filler.length };
  const past = { state, version, position, createdAt, snapshotVersion: 0 };
  const snapshot = newSnapshot(snapshotted, id, past);
  invariant(snapshot !== undefined, "an aggregate of a benchmark has snapshots");
  await saveSnapshot(pool, snapshot);
}
