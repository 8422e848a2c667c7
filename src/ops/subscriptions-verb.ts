import { createOperations, positionOf, type Operations } from "#query/operations.ts";
import type { SubscriptionItem } from "#query/operations.ts";

import { defineVerb, printable } from "./cli-arguments.ts";
import { requireConfig } from "./config.ts";
import { withPool } from "./database.ts";
import { UsageError } from "./exit.ts";
import { durationText } from "./follow.ts";
import { wholeNumber } from "./flags.ts";
import { plural, writeLine } from "./output.ts";

/** Runs a verb's work on the configured database. */
const onSubscriptions = <Value>(work: (operations: Operations) => Promise<Value>): Promise<Value> =>
  withPool(requireConfig(process.env).database, "subscriptions", (pool) =>
    work(createOperations(pool)),
  );

const noSubscription = (name: string): UsageError =>
  new UsageError(`there is no subscription ${printable(name)}: \`subscriptions list\` names them`);

const nameArgument = {
  name: {
    type: "positional",
    required: true,
    description: "the subscription: orders, orders:building",
  },
} as const;

type Partition = SubscriptionItem["partitions"][number];

/** What its holder says of it, or that it has none. */
function stateOf({ leased, report }: Partition): string {
  if (!leased) return "not held";
  const failure =
    report?.lastError === undefined || report.lastError === null ? [] : [report.lastError];
  return [report?.state ?? "held", ...(report?.halted === true ? ["halted"] : []), ...failure].join(
    " ",
  );
}

/** A line of a partition. */
function lineOf(item: SubscriptionItem, partition: Partition): string {
  const { name, kind, role, version, wantedPartitions, progress } = item;
  const { position, head, lagEvents, deadLetters, waitingForPerson } = partition;
  const count = `${partition.partition + 1}/${item.partitions.length}`;
  const marks = [
    deadLetters === 0
      ? undefined
      : `${plural(deadLetters, "dead letter")}, ${waitingForPerson} for a person`,
    wantedPartitions === null ? undefined : `on the way to ${wantedPartitions} partitions`,
    progress?.secondsLeft === undefined || progress.secondsLeft === null
      ? undefined
      : `${durationText(progress.secondsLeft)} left`,
    item.paused ? `paused: ${printable(item.pauseReason ?? "without a reason")}` : undefined,
  ].filter((mark) => mark !== undefined);
  const what = role === undefined ? kind : `${role} version ${version}`;
  const far = `${position} of ${head}, ${lagEvents} behind`;
  return [name, count, what, far, stateOf(partition), ...marks].join("  ");
}

const list = defineVerb({
  name: "list",
  description: "Show every view's versions and every reactor: how far, by whom, what waits",
  run: async (args): Promise<void> => {
    const listed = await onSubscriptions((operations) => operations.subscriptions());
    if (args.json) return writeLine(JSON.stringify(listed));
    if (listed.items.length === 0) writeLine("no subscriptions: a start of the service makes them");
    for (const item of listed.items) {
      for (const partition of item.partitions) writeLine(lineOf(item, partition));
    }
  },
});

const pause = defineVerb({
  name: "pause",
  description: "Let it rest, on every instance, until it is resumed",
  args: { ...nameArgument, reason: { type: "string", description: "why, for whoever finds it" } },
  run: async (args): Promise<void> => {
    const reason = args.reason?.trim() ?? null;
    if (reason !== null && (reason === "" || reason.length > 500))
      throw new UsageError("--reason is 1 to 500 characters");
    const known = await onSubscriptions((operations) => operations.pause(args.name, reason));
    if (!known) throw noSubscription(args.name);
    const { name } = args;
    writeLine(args.json ? JSON.stringify({ name, paused: true, pauseReason: reason }) : "paused");
  },
});

const resume = defineVerb({
  name: "resume",
  description: "Let it go on where it is",
  args: nameArgument,
  run: async (args): Promise<void> => {
    const known = await onSubscriptions((operations) => operations.resume(args.name));
    if (!known) throw noSubscription(args.name);
    writeLine(args.json ? JSON.stringify({ name: args.name, paused: false }) : "resumed");
  },
});

/** What is lost by it, for whoever has not said that they know. */
const lossOf = ({ kind, role }: SubscriptionItem, position: number): string => {
  if (kind === "reactor") return `it does again whatever comes after ${position}`;
  const who = role === "serving" ? "its readers find" : "it has";
  return `${who} nothing until it has caught up; \`projections rebuild\` builds beside what serves`;
};

async function resetTo(operations: Operations, name: string, position: number, sure: boolean) {
  const { items } = await operations.subscriptions(name);
  const item = items.find((one) => one.name === name);
  if (item === undefined) throw noSubscription(name);
  const begun = item.partitions.some((partition) => partition.position > 0);
  if (!sure && begun) throw new UsageError(`${lossOf(item, position)}: say --yes`);
  switch (await operations.reset(name, position)) {
    case "unknown":
      throw noSubscription(name);
    case "not-zero":
      throw new UsageError("--position of a view is 0: it begins without documents");
    case "past-head":
      throw new UsageError("--position is past the end of the log");
    case "done":
      return { name, position, from: positionOf(item) };
  }
}

const reset = defineVerb({
  name: "reset",
  description: "Let it begin again after a position; a view only at 0, without documents",
  args: {
    ...nameArgument,
    position: { type: "string", default: "0", description: "after which position" },
    yes: { type: "boolean", description: "you know what is lost by it" },
  },
  run: async (args): Promise<void> => {
    const position = wholeNumber("position", args.position, [0, Number.MAX_SAFE_INTEGER]);
    const { from, ...done } = await onSubscriptions((operations) =>
      resetTo(operations, args.name, position, args.yes === true),
    );
    if (args.json) writeLine(JSON.stringify({ ...done, from }));
    else writeLine(`${args.name} begins after ${position}; it had come to ${from}`);
  },
});

/** `varve subscriptions list|pause|resume|reset`: views and reactors while the service runs. */
export const subscriptionsVerb = defineVerb({
  name: "subscriptions",
  description: "Views and reactors: look, pause, resume, begin again",
  verbs: {
    list: () => Promise.resolve(list),
    pause: () => Promise.resolve(pause),
    reset: () => Promise.resolve(reset),
    resume: () => Promise.resolve(resume),
  },
});
