import { loadAggregate } from "#command/load.ts";
import { newSnapshot } from "#command/snapshots.ts";
import type { AnyAggregate } from "#domain/decider.ts";
import { aggregates } from "#domain/registry.ts";
import { type ErrorCode, isCode, type VarveError } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";
import type { Pool } from "#store/pool.ts";
import { dropSnapshots, listSnapshots, listUnsnapshotted, saveSnapshot } from "#store/snapshots.ts";

import { defineVerb, printable } from "./cli-arguments.ts";
import { requireConfig } from "./config.ts";
import { withPool } from "./database.ts";
import { type ExitCode, exitCodes, UsageError } from "./exit.ts";
import { wholeNumber } from "./flags.ts";
import { catchInterrupts } from "./interrupts.ts";
import { plural, writeLine } from "./output.ts";

/** Streams or snapshots in one statement: each is done within moments, and can be interrupted. */
const PAGE = 100;
/** Streams that are named; where more cannot be loaded, they have one cause. */
const NAMED_MAX = 100;

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

type Unloadable = {
  readonly aggregateType: string;
  readonly aggregateId: string;
  readonly code: ErrorCode;
};

type Summary = Taken & {
  /** The first of them. */
  readonly unloadableStreams: readonly Unloadable[];
  readonly interrupted: boolean;
};

const words: Readonly<Record<keyof Taken, string>> = {
  taken: "taken",
  unchanged: "unchanged",
  missing: "missing",
  tooLarge: "too large",
  unloadable: "unloadable",
};

/** Takes a snapshot of one stream as it is now; an error where the stream cannot be loaded. */
async function take(
  pool: Pool,
  aggregate: AnyAggregate,
  id: string,
): Promise<Exclude<keyof Taken, "unloadable"> | VarveError> {
  const options = { pool, meter: () => undefined, threshold: 1 };
  try {
    const loaded = await loadAggregate(options, aggregate, id);
    const snapshot = newSnapshot(aggregate, id, loaded);
    if (snapshot === undefined) return "missing";
    if (snapshot.state.length > limits.snapshotBytes) return "tooLarge";
    return (await saveSnapshot(pool, snapshot)) ? "taken" : "unchanged";
  } catch (error) {
    // The one stream's matter: others can still be taken.
    if (isCode(error, "partition-archived", "schema-behind", "upcast-failed")) return error;
    throw error;
  }
}

type Order = {
  readonly aggregate: AnyAggregate;
  /** Their ids. */
  readonly pages: AsyncIterable<readonly string[]> | Iterable<readonly string[]>;
  /** Ends it after the stream that it is at. */
  readonly signal: AbortSignal;
  readonly onPage: (taken: number) => void;
};

async function takeAll(pool: Pool, { aggregate, pages, signal, onPage }: Order): Promise<Summary> {
  const counts: Taken = { taken: 0, unchanged: 0, missing: 0, tooLarge: 0, unloadable: 0 };
  const unloadableStreams: Unloadable[] = [];
  const summary = () => ({ ...counts, unloadableStreams, interrupted: signal.aborted });
  for await (const page of pages) {
    for (const aggregateId of page) {
      if (signal.aborted) return summary();
      const outcome = await take(pool, aggregate, aggregateId);
      counts[typeof outcome === "string" ? outcome : "unloadable"] += 1;
      if (typeof outcome === "string" || unloadableStreams.length === NAMED_MAX) continue;
      unloadableStreams.push({ aggregateType: aggregate.type, aggregateId, code: outcome.code });
    }
    if (page.length === PAGE) onPage(counts.taken);
  }
  return summary();
}

function printSummary(summary: Summary): void {
  const counted = Object.entries(words) as readonly [keyof Taken, string][];
  writeLine(counted.map(([name, word]) => `${summary[name]} ${word}`).join(", "));
  for (const { aggregateType, aggregateId, code } of summary.unloadableStreams) {
    writeLine(`unloadable: ${aggregateType} ${printable(aggregateId)} (${code})`);
  }
  const more = summary.unloadable - summary.unloadableStreams.length;
  if (more > 0) writeLine(`unloadable: ${more} more`);
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
    "Take snapshots now, of those streams, or of all that have grown by --over events since their last",
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
    const say = (text: string): void => void (args.json || process.stderr.write(`${text}\n`));
    const { signal, release } = catchInterrupts();
    signal.addEventListener("abort", () => say("interrupted: it ends after this stream"));
    const summary = await onDatabase((pool) =>
      takeAll(pool, {
        aggregate,
        pages: ids === undefined ? lacking(pool, aggregate, over) : [ids],
        signal,
        onPage: (taken) => say(`${taken} taken`),
      }),
    ).finally(release);
    const { taken, unchanged, missing, tooLarge, unloadable, interrupted } = summary;
    const failed = missing + tooLarge + unloadable;
    const none = ids === undefined && !interrupted && taken + unchanged + failed === 0;
    if (args.json) writeLine(JSON.stringify(summary));
    else if (none) writeLine(`no stream has grown by ${plural(over, "event")} since its last`);
    else printSummary(summary);
    if (interrupted) return exitCodes.interrupted;
    return failed === 0 ? exitCodes.done : exitCodes.faultFound;
  },
});

const listVerb = defineVerb({
  name: "list",
  description: "Count snapshots by aggregate type and schema version",
  run: async (args): Promise<void> => {
    const counts = await onDatabase(listSnapshots);
    if (args.json) return writeLine(JSON.stringify(counts));
    if (counts.length === 0) return writeLine("no snapshots");
    for (const { aggregateType, schemaVersion, snapshots, bytes, oldest, newest } of counts) {
      const schema = `${aggregateType} schema ${schemaVersion}`;
      writeLine(
        `${schema}  ${plural(snapshots, "snapshot")}  ${bytes} bytes  ${oldest} to ${newest}`,
      );
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
