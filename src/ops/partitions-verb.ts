import { resolve } from "node:path";

import { monotonicMs } from "#kernel/clock.ts";
import { archivePartition, type Keeper, type Progress } from "#store/partitions/archive.ts";
import {
  holdPartition,
  listPartitions,
  monthsAhead,
  preparePartitions,
  withPartitionLease,
  type Partition,
} from "#store/partitions/register.ts";
import { restorePartition } from "#store/partitions/restore.ts";
import { tablePoolOptions } from "#store/partitions/tables.ts";
import { openPool, type Pool } from "#store/pool.ts";

import { defineVerb, printable } from "./cli-arguments.ts";
import { requireConfig, type PartitionConfig } from "./config.ts";
import { migrationTarget, openDatabase } from "./database.ts";
import { UsageError } from "./exit.ts";
import { wholeNumber } from "./flags.ts";
import { writeLine } from "./output.ts";

const PROGRESS_MS = 1_000;

/** Runs the work as the owner of the tables, on the direct connection. */
async function onTables<Value>(
  work: (direct: Pool, config: PartitionConfig) => Promise<Value>,
): Promise<Value> {
  const config = requireConfig(process.env);
  const database = await openDatabase(config.database);
  const direct = openPool(tablePoolOptions(migrationTarget(database.config)));
  try {
    return await work(direct, config.partitions);
  } finally {
    await direct.close(1_000);
    await database.release();
  }
}

/** Says how far it is, at most once a second and at the end of each step. */
function sayProgress(name: string): (progress: Progress) => void {
  let saidAtMs = 0;
  return ({ step, done, total }) => {
    if (done < total && monotonicMs() - saidAtMs < PROGRESS_MS) return;
    saidAtMs = monotonicMs();
    process.stderr.write(`${name}: ${step} ${done} of ${total} events\n`);
  };
}

const nameArgument = {
  name: { type: "positional", required: true, description: "the partition: events_YYYY_MM" },
} as const;

const waitArgument = {
  wait: {
    type: "string",
    default: "60",
    description: "seconds to wait for open transactions of others",
  },
} as const;

/** What is told of a partition in text. */
function lineOf(partition: Partition): string {
  const { name, lowerBound, firstPosition, lastPosition, events, bytes, state } = partition;
  const positions =
    firstPosition === null ? "no events" : `${firstPosition}..${lastPosition ?? "open"}`;
  const marks = [
    partition.closed ? "closed" : undefined,
    partition.frozenAt === null ? undefined : "frozen",
    partition.table === "pending" ? "half detached" : undefined,
    partition.holdReason === null ? undefined : `held: ${partition.holdReason}`,
    partition.archivePlace === null ? undefined : `archive ${partition.archivePlace}`,
    partition.table !== "gone" && !partition.own
      ? "this role may not vacuum or archive it"
      : undefined,
  ].filter((mark) => mark !== undefined);
  const size = `${Math.ceil(bytes / 1024)} KiB`;
  const month = lowerBound.slice(0, 10);
  return [name, month, positions, `${events} events`, size, state, ...marks].join("  ");
}

const list = defineVerb({
  name: "list",
  description: "Show every partition: bounds, positions, size, state, hold, archive",
  run: async (args): Promise<void> => {
    const partitions = await onTables((direct) => listPartitions(direct));
    if (args.json) writeLine(JSON.stringify(partitions));
    else for (const partition of partitions) writeLine(lineOf(partition));
  },
});

const ensure = defineVerb({
  name: "ensure",
  description: "Make the partition of this month and of months ahead",
  args: {
    months: { type: "string", default: String(monthsAhead), description: "how many months ahead" },
  },
  run: async (args): Promise<void> => {
    const months = wholeNumber("months", args.months, [0, 120]);
    const made = await onTables((direct) => preparePartitions(direct, months));
    if (args.json) writeLine(JSON.stringify({ made }));
    else writeLine(made.length === 0 ? "nothing to make" : `made ${made.join(", ")}`);
  },
});

/** The partition that was named. Throws UsageError where there is none. */
async function named(direct: Pool, name: string): Promise<Partition> {
  const found = (await listPartitions(direct)).find((one) => one.name === name);
  if (found !== undefined) return found;
  const help = "`partitions list` names them (events_YYYY_MM)";
  throw new UsageError(`there is no partition ${printable(name)}: ${help}`);
}

/** Does one step in the life of a partition as the only one who may; what it was, and is then. */
async function keep(
  name: string,
  wait: string,
  work: (keeper: Keeper, config: PartitionConfig) => Promise<Partition>,
): Promise<{ readonly before: Partition; readonly after: Partition }> {
  const waitMs = wholeNumber("wait", wait, [0, 86_400]) * 1_000;
  return onTables((direct, config) =>
    withPartitionLease(direct, async (owner) => {
      const before = await named(direct, name);
      const keeper = { owner, direct, waitMs, onProgress: sayProgress(name) };
      return { before, after: await work(keeper, config) };
    }),
  );
}

const archive = defineVerb({
  name: "archive",
  description: "Move a closed partition to compressed files: detach, export, verify, drop",
  args: {
    ...nameArgument,
    to: { type: "string", description: "the folder of archives; default ARCHIVE_DIR" },
    "events-per-file": { type: "string", default: "100000", description: "events in one file" },
    ...waitArgument,
  },
  run: async (args): Promise<void> => {
    const eventsPerFile = wholeNumber("events-per-file", args["events-per-file"], [1, 10_000_000]);
    const { before, after } = await keep(args.name, args.wait, (keeper, { archiveDirectory }) => {
      const directory = args.to === undefined ? archiveDirectory : resolve(args.to);
      if (directory === undefined) throw new UsageError("say --to, or set ARCHIVE_DIR");
      return archivePartition({ ...keeper, eventsPerFile }, args.name, directory);
    });
    const { name, archivePlace } = after;
    if (args.json) writeLine(JSON.stringify(after));
    else if (before.state !== "archived") writeLine(`${name} lies in ${archivePlace}`);
    else writeLine(`${name} was archived before, to ${archivePlace}: nothing was moved`);
  },
});

const restore = defineVerb({
  name: "restore",
  description: "Bring an archived partition back: verify, load, compare, attach",
  args: {
    ...nameArgument,
    from: { type: "string", description: "the folder of archives, where it has moved" },
    ...waitArgument,
  },
  run: async (args): Promise<void> => {
    const { after: restored } = await keep(args.name, args.wait, (keeper) =>
      restorePartition(keeper, args.name, args.from === undefined ? undefined : resolve(args.from)),
    );
    if (args.json) writeLine(JSON.stringify(restored));
    else writeLine(`${restored.name} is attached: ${restored.events} events`);
  },
});

/** Holds a partition or lets it go; what it was before. */
const setHold = (name: string, reason: string | null): Promise<Partition> =>
  onTables(async (direct) => {
    const before = await named(direct, name);
    await holdPartition(direct, name, reason);
    return before;
  });

const hold = defineVerb({
  name: "hold",
  description: "Keep a partition in the database, whatever retention says",
  args: {
    ...nameArgument,
    reason: { type: "string", required: true, description: "why, for whoever finds it held" },
  },
  run: async (args): Promise<void> => {
    const reason = args.reason.trim();
    if (reason === "" || reason.length > 500)
      throw new UsageError("--reason is 1 to 500 characters");
    await setHold(args.name, reason);
    writeLine(args.json ? JSON.stringify({ name: args.name, holdReason: reason }) : "held");
  },
});

const release = defineVerb({
  name: "release",
  description: "End the hold of a partition",
  args: nameArgument,
  run: async (args): Promise<void> => {
    const { name, holdReason } = await setHold(args.name, null);
    if (args.json) writeLine(JSON.stringify({ name, holdReason: null }));
    else writeLine(holdReason === null ? `${name} was not held` : "released");
  },
});

/** `varve partitions …`: the months of the log as tables and as archives. */
export const partitionsVerb = defineVerb({
  name: "partitions",
  description: "The months of the log: prepare, hold, archive, restore",
  verbs: {
    archive: () => Promise.resolve(archive),
    ensure: () => Promise.resolve(ensure),
    hold: () => Promise.resolve(hold),
    list: () => Promise.resolve(list),
    release: () => Promise.resolve(release),
    restore: () => Promise.resolve(restore),
  },
});
