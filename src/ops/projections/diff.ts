import { monotonicMs, sleep } from "#kernel/clock.ts";
import { compareVersions, type Comparison } from "#query/comparison.ts";
import { positionOf, type Operations } from "#query/operations.ts";
import type { Pool } from "#store/pool.ts";

import { printable } from "#ops/cli-arguments.ts";
import { type ExitCode, exitCodes } from "#ops/exit.ts";
import { sayNowAndThen } from "#ops/follow.ts";
import { catchInterrupts } from "#ops/interrupts.ts";
import { progressLine, writeLine } from "#ops/output.ts";

import { versionsOf, type Versions } from "./views.ts";

/** What follows the log is never level with what serves: it gets to where that was a moment ago. */
const LEVEL_MS = 5_000;
const LOOK_MS = 200;

export type DiffOptions = {
  readonly view: string;
  readonly shownMax: number;
  readonly json: boolean;
};

/** Waits until what is built has come to where that stood which serves; false where it has not. */
async function isLevel(operations: Operations, view: string, versions: Versions): Promise<boolean> {
  const wanted = positionOf(versions.serving);
  const startedMs = monotonicMs();
  for (let now = versions.building; ;) {
    if (now !== undefined && positionOf(now) >= wanted) return true;
    if (now === undefined || monotonicMs() - startedMs > LEVEL_MS) return false;
    await sleep(LOOK_MS);
    now = (await versionsOf(operations, view)).building;
  }
}

type Told = {
  readonly view: string;
  /** The subscription that it was compared with. */
  readonly against: string;
  readonly role: "building" | "previous";
  readonly interrupted: boolean;
};

function write({ view, against, role, interrupted }: Told, found: Comparison, json: boolean): void {
  const { onlyLeft, onlyRight, shown, ...counts } = found;
  const onlyOther = role === "building" ? "onlyBuilding" : "onlyPrevious";
  const keys = shown.map(({ what, ...one }) => {
    const sides = { onlyLeft: "onlyServing", onlyRight: onlyOther, different: what } as const;
    return { ...one, what: sides[what] };
  });
  if (json) {
    const only = { onlyServing: onlyLeft, [onlyOther]: onlyRight };
    return writeLine(JSON.stringify({ view, against, ...counts, ...only, interrupted, keys }));
  }
  for (const { key, what, fields } of keys) {
    writeLine(`${printable(key)}  ${what}  ${fields.map(printable).join(", ")}`.trimEnd());
  }
  const { compared, equal, different, moving } = counts;
  const only = `${onlyLeft} only in ${view}, ${onlyRight} only in ${against}`;
  writeLine(
    `${compared} compared: ${equal} equal, ${different} different, ${only}, ${moving} moving`,
  );
}

/** Compares what serves with what is built, or with the version before where nothing is. */
export async function diff(
  operations: Operations,
  pool: Pool,
  { view, shownMax, json }: DiffOptions,
): Promise<ExitCode> {
  const versions = await versionsOf(operations, view);
  const other = versions.building ?? versions.previous;
  const refused = (reason: string, text: string, code: ExitCode): ExitCode => {
    if (json) writeLine(JSON.stringify({ view, reason }));
    else process.stderr.write(`${text}\n`);
    return code;
  };
  if (other === undefined) {
    const text = `there is only one version of ${view}: \`projections rebuild ${view}\` builds another`;
    return refused("nothing-to-compare", text, exitCodes.faultFound);
  }
  if (versions.building !== undefined && !(await isLevel(operations, view, versions))) {
    const text = `${other.name} has not caught up: \`projections rebuild ${view}\` follows it`;
    return refused("view-behind-serving", text, exitCodes.tryAgain);
  }
  const say = sayNowAndThen();
  const { signal, release } = catchInterrupts();
  const found = await compareVersions(pool, {
    left: view,
    right: other.name,
    shownMax,
    signal,
    onPage: (compared) => void (json || say(() => `${compared} compared`)),
  }).finally(release);
  progressLine.clear();
  if (found === undefined) {
    const text = `${other.name} was swapped or dropped meanwhile: run it again`;
    return refused("version-gone", text, exitCodes.tryAgain);
  }
  const role = versions.building === undefined ? "previous" : "building";
  const interrupted = signal.aborted;
  write({ view, against: other.name, role, interrupted }, found, json);
  if (interrupted) return exitCodes.interrupted;
  const same = found.different + found.onlyLeft + found.onlyRight === 0;
  return same ? exitCodes.done : exitCodes.faultFound;
}
