import { monotonicMs } from "#kernel/clock.ts";
import { positionOf, type Operations, type SubscriptionItem } from "#query/operations.ts";

import { printable } from "#ops/cli-arguments.ts";
import { type ExitCode, exitCodes } from "#ops/exit.ts";
import { durationText, follow, sayIfItLasts, sayNowAndThen } from "#ops/follow.ts";
import { catchInterrupts } from "#ops/interrupts.ts";
import { plural, progressLine, writeLine } from "#ops/output.ts";

import { noView, versionsOf } from "./views.ts";

/** Looks over which the speed is taken. */
const SPEED_LOOKS = 10;

/** How far a version is that is being built, and how fast. */
type Progress = {
  readonly position: number;
  readonly head: number;
  readonly lagEvents: number;
  /** Of the log, by its slowest partition; null at the first look. */
  readonly eventsPerSecond: number | null;
  readonly secondsLeft: number | null;
  /** Whether an instance holds every partition. */
  readonly leased: boolean;
  readonly paused: boolean;
  readonly caughtUp: boolean;
};

/** Measures from look to look. */
function createProgress(): (item: SubscriptionItem, head: number) => Progress {
  const looks: { readonly atMs: number; readonly position: number; readonly head: number }[] = [];
  return (item, head) => {
    const now = { atMs: monotonicMs(), position: positionOf(item), head };
    const [first, last] = [looks[0], looks.at(-1)];
    looks.push(now);
    if (looks.length > SPEED_LOOKS) looks.shift();
    const speed =
      first === undefined
        ? null
        : ((now.position - first.position) / (now.atMs - first.atMs)) * 1_000;
    const lagEvents = Math.max(0, head - now.position);
    const seconds = speed === null || speed <= 0 ? null : Math.ceil(lagEvents / speed);
    return {
      position: now.position,
      head,
      lagEvents,
      eventsPerSecond: speed === null ? null : Math.round(speed),
      secondsLeft: lagEvents === 0 ? 0 : seconds,
      leased: item.partitions.every((partition) => partition.leased),
      paused: item.paused,
      // The log goes on meanwhile: it has come to where the log was a look ago.
      caughtUp: now.position >= (last?.head ?? head),
    };
  };
}

function textOf({ position, head, eventsPerSecond, secondsLeft }: Progress): string {
  const share = head === 0 ? 100 : Math.floor((position / head) * 100);
  const speed = eventsPerSecond === null ? "" : `, ${eventsPerSecond} a second`;
  const left = secondsLeft === null ? "" : `, ${durationText(secondsLeft)} left`;
  return `${share} %, ${position} of ${head} events${speed}${left}`;
}

/** Why it may not go on, as far as can be seen. */
function standing(item: SubscriptionItem): string | undefined {
  if (item.paused) return `${item.name} is paused: ${printable(item.pauseReason ?? "no reason")}`;
  const free = item.partitions.filter(({ leased }) => !leased).length;
  if (free === item.partitions.length) return `no running service builds ${item.name}`;
  if (free > 0) return `no running service builds ${plural(free, "partition")} of ${item.name}`;
  const errors = item.partitions.flatMap(({ report }) => report?.lastError ?? []);
  return errors[0] === undefined ? undefined : `its holder reports ${errors[0]}`;
}

/** Its documents are of several streams each, and it is built in several partitions. */
const isIndivisible = ({ partitions }: SubscriptionItem): boolean =>
  partitions.length > 1 &&
  partitions.some(({ report }) => report?.lastError === "configuration-invalid");

export type RebuildOptions = {
  readonly view: string;
  readonly partitions: number | null;
  readonly detach: boolean;
  readonly json: boolean;
  readonly patienceMs: number;
};

type Building = { readonly building: string; readonly item: SubscriptionItem };

/**
 * Begins it, also again in another number of partitions, or joins what is being built. Throws
 * UsageError where there is no such view.
 */
async function begin(operations: Operations, options: RebuildOptions): Promise<Building> {
  const { view, partitions } = options;
  const before = await versionsOf(operations, view);
  const building = await operations.rebuild(view, partitions);
  const item = (await versionsOf(operations, view)).building;
  if (building === undefined || item === undefined) throw noView(view);
  const isNew = before.building?.madeAt !== item.madeAt;
  const word = isNew ? "is begun" : "was being built already, and goes on";
  process.stderr.write(`${building} ${word}, in ${plural(item.partitions.length, "partition")}\n`);
  return { building, item };
}

/** Follows it until it has caught up; what it serves as from then on is the caller's to say. */
export async function rebuild(operations: Operations, options: RebuildOptions): Promise<ExitCode> {
  const { view, json, patienceMs } = options;
  const { building, item } = await begin(operations, options);
  if (options.detach) {
    if (json) writeLine(JSON.stringify({ view, building }));
    else writeLine(`${building} is being built: the same call without --detach follows it`);
    return exitCodes.done;
  }
  const [measure, say, sayStill] = [createProgress(), sayNowAndThen(), sayIfItLasts()];
  let gone: "swapped" | "dropped" | "indivisible" | undefined;
  const look = async () => {
    const { head, serving, building: now } = await versionsOf(operations, view);
    if (now?.madeAt !== item.madeAt) {
      gone = serving.madeAt === item.madeAt ? "swapped" : "dropped";
      return { done: true, mark: "" };
    }
    if (isIndivisible(now ?? item)) {
      gone = "indivisible";
      return { done: true, mark: "" };
    }
    const progress = measure(now ?? item, head);
    if (json) writeLine(JSON.stringify({ view, building, ...progress }));
    else say(() => textOf(progress));
    sayStill(progress.caughtUp ? undefined : standing(now ?? item));
    return { done: progress.caughtUp, mark: String(progress.position) };
  };
  const { signal, release } = catchInterrupts();
  const end = await follow({ look, patienceMs, signal }).finally(release);
  progressLine.clear();
  const told = (text: string): void => void (json || writeLine(text));
  if (gone === "dropped") {
    process.stderr.write(
      `${building} is not the same any more: it was dropped, or begun again in other partitions\n`,
    );
    return exitCodes.faultFound;
  }
  if (gone === "indivisible") {
    process.stderr.write(
      `${building} cannot be divided, since its documents are of several streams each: ` +
        `\`projections rebuild ${view} --partitions 1\` begins it again\n`,
    );
    return exitCodes.configuration;
  }
  if (end === "interrupted") {
    process.stderr.write("interrupted: the service goes on; the same call follows it again\n");
    return exitCodes.interrupted;
  }
  if (end === "stalled") {
    process.stderr.write(
      `no progress for ${patienceMs / 1_000} s: the same call follows it again\n`,
    );
    return exitCodes.tryAgain;
  }
  if (gone === "swapped") told(`${view} serves it already`);
  else
    told(`${building} has caught up: \`projections diff ${view}\`, \`projections swap ${view}\``);
  return exitCodes.done;
}
