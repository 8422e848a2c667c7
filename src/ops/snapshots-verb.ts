import { loadAggregate } from "#command/load.ts";
import { newSnapshot } from "#command/snapshots.ts";
import type { AnyAggregate } from "#domain/decider.ts";
import { aggregates } from "#domain/registry.ts";
import { isCode } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";
import type { Pool } from "#store/pool.ts";
import { dropSnapshots, listSnapshots, listUnsnapshotted, saveSnapshot } from "#store/snapshots.ts";

import { defineVerb } from "./cli-arguments.ts";
import { requireConfig } from "./config.ts";
import { withPool } from "./database.ts";
import { type ExitCode, exitCodes, UsageError } from "./exit.ts";
import { wholeNumber } from "./flags.ts";
import { writeLine } from "./output.ts";

/** Streams or snapshots in one statement: each is done within moments, and can be interrupted. */
const PAGE = 100;

const onDatabase = <Value>(work: (pool: Pool) => Promise<Value>): Promise<Value> =>
  withPool(requireConfig(process.env).database, "snapshots", work);

function aggregateOf(name: string): AnyAggregate {
  const found = aggregates.find((aggregate) => aggregate.name === name);
  if (found === undefined) throw new UsageError("there is no such aggregate");
  return found;
}

const idsOf = (text: string | undefined): readonly string[] | undefined =>
  text?.split(",").filter((id) => id !== "");

/** What became of the streams that were to get a snapshot. */
type Taken = Record<"taken" | "unchanged" | "missing" | "tooLarge" | "unloadable", number>;

/** Takes a snapshot of one stream as it is now. */
async function take(pool: Pool, aggregate: AnyAggregate, id: string): Promise<keyof Taken> {
  const options = { pool, meter: () => undefined, threshold: 1 };
  try {
    const loaded = await loadAggregate(options, aggregate, id);
    const snapshot = newSnapshot(aggregate, id, loaded);
    if (snapshot === undefined) return "missing";
    if (snapshot.state.length > limits.snapshotBytes) return "tooLarge";
    return (await saveSnapshot(pool, snapshot)) ? "taken" : "unchanged";
  } catch (error) {
    // The one stream's matter: others can still be taken.
    if (isCode(error, "partition-archived", "schema-behind", "upcast-failed")) return "unloadable";
    throw error;
  }
}

/** The ids of streams that lack a snapshot, a page at a time; runs on where it was ended. */
async function* lacking(pool: Pool, { type, snapshot }: AnyAggregate, over: number) {
  const request = { aggregateType: type, schemaVersion: snapshot?.version ?? 0, over, limit: PAGE };
  for (let afterId: string | undefined = ""; afterId !== undefined;) {
    const ids = await listUnsnapshotted(pool, { ...request, afterId });
    yield ids;
    afterId = ids.at(-1);
  }
}

const takeVerb = defineVerb({
  name: "take",
  description:
    "Take snapshots now, of those streams or of all that lack one; runs on where it ended",
  args: {
    aggregate: { type: "positional", required: true, description: "its name: orders" },
    ids: { type: "positional", required: false, description: "comma-separated; default: all" },
    over: { type: "string", description: "events after a snapshot; default: SNAPSHOT_THRESHOLD" },
  },
  run: async (args): Promise<ExitCode> => {
    const aggregate = aggregateOf(args.aggregate);
    if (aggregate.snapshot === undefined) throw new UsageError("it declares no snapshot");
    const { threshold } = requireConfig(process.env).snapshot;
    const over = args.over === undefined ? threshold : wholeNumber("over", args.over);
    const ids = idsOf(args.ids);
    const counts: Taken = { taken: 0, unchanged: 0, missing: 0, tooLarge: 0, unloadable: 0 };
    await onDatabase(async (pool) => {
      for await (const page of ids === undefined ? lacking(pool, aggregate, over) : [ids]) {
        for (const id of page) counts[await take(pool, aggregate, id)] += 1;
        if (!args.json && page.length === PAGE) process.stderr.write(`${counts.taken} taken\n`);
      }
    });
    if (args.json) writeLine(JSON.stringify(counts));
    else
      writeLine(
        Object.entries(counts)
          .map(([what, n]) => `${n} ${what}`)
          .join(", "),
      );
    const { missing, tooLarge, unloadable } = counts;
    return missing + tooLarge + unloadable === 0 ? exitCodes.done : exitCodes.faultFound;
  },
});

const listVerb = defineVerb({
  name: "list",
  description: "Count snapshots by aggregate type and schema version",
  run: async (args): Promise<void> => {
    const counts = await onDatabase(listSnapshots);
    if (args.json) return writeLine(JSON.stringify(counts));
    for (const { aggregateType, schemaVersion, snapshots, bytes, oldest, newest } of counts) {
      const schema = `${aggregateType} schema ${schemaVersion}`;
      writeLine(`${schema}  ${snapshots} snapshots  ${bytes} bytes  ${oldest} to ${newest}`);
    }
  },
});

const dropVerb = defineVerb({
  name: "drop",
  description: "Remove snapshots, of those streams or all; loads replay until the next is taken",
  args: {
    aggregate: { type: "positional", required: true, description: "its name: orders" },
    ids: { type: "positional", required: false, description: "comma-separated; default: all" },
  },
  run: async (args): Promise<void> => {
    const { type } = aggregateOf(args.aggregate);
    const ids = idsOf(args.ids);
    const removed = await onDatabase(async (pool) => {
      let sum = 0;
      for (let page = PAGE; page === PAGE; sum += page) {
        page = await dropSnapshots(pool, type, { ...(ids && { ids }), limit: PAGE });
      }
      return sum;
    });
    writeLine(args.json ? JSON.stringify({ removed }) : `${removed} removed`);
  },
});

/** `varve snapshots take|list|drop`: what spares loads the replay of long streams. */
export const snapshotsVerb = defineVerb({
  name: "snapshots",
  description: "Snapshots of aggregates",
  verbs: {
    take: () => Promise.resolve(takeVerb),
    list: () => Promise.resolve(listVerb),
    drop: () => Promise.resolve(dropVerb),
  },
});
