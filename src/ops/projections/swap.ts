import { monotonicMs, sleep } from "#kernel/clock.ts";
import { positionOf, type Operations } from "#query/operations.ts";

import { type ExitCode, exitCodes } from "#ops/exit.ts";
import { sayNowAndThen } from "#ops/follow.ts";
import { catchInterrupts } from "#ops/interrupts.ts";
import { progressLine } from "#ops/output.ts";

import { noView, versionsOf } from "./views.ts";

/** Between two tries, so that what serves can go on: a try makes it stand still for two seconds. */
const PAUSE_MS = 500;

/** What came of it, for people and for scripts. */
export type Outcome = {
  readonly code: ExitCode;
  readonly reason: string | undefined;
  readonly text: string;
};

const done = (text: string): Outcome => ({ code: exitCodes.done, reason: undefined, text });

/** Tries until what is built has caught up, but no longer than its patience. */
export async function swap(
  operations: Operations,
  view: string,
  patienceMs: number,
): Promise<Outcome> {
  const { signal, release } = catchInterrupts();
  const startedMs = monotonicMs();
  const say = sayNowAndThen();
  try {
    for (;;) {
      const outcome = await operations.swap(view);
      if (outcome === "unknown") throw noView(view);
      if (outcome === "done") {
        return done(`${view} serves what was built; ${view}:previous is what served`);
      }
      if (outcome === "no-building") {
        const text = `nothing of ${view} is being built: \`projections rebuild ${view}\` begins it`;
        return { code: exitCodes.faultFound, reason: "nothing-to-swap", text };
      }
      const reason = "view-behind-serving";
      if (signal.aborted) return { code: exitCodes.interrupted, reason, text: "interrupted" };
      if (monotonicMs() - startedMs > patienceMs) {
        const text = `${view}:building has not caught up: \`projections rebuild ${view}\` follows it`;
        return { code: exitCodes.tryAgain, reason, text };
      }
      const { serving, building } = await versionsOf(operations, view);
      const behind = building && Math.max(0, positionOf(serving) - positionOf(building));
      say(() => `${view}:building is ${behind} events behind what serves`);
      await sleep(PAUSE_MS, signal);
    }
  } finally {
    progressLine.clear();
    release();
  }
}

/** Lets the version before serve again. */
export async function rollback(operations: Operations, view: string): Promise<Outcome> {
  switch (await operations.rollback(view)) {
    case "unknown":
      throw noView(view);
    case "no-previous": {
      const text = `there is no version of ${view} before the one that serves`;
      return { code: exitCodes.faultFound, reason: "nothing-to-roll-back", text };
    }
    case "building": {
      const text = `another one is being built: \`projections drop ${view} --building\` first`;
      return { code: exitCodes.faultFound, reason: "view-being-built", text };
    }
    case "done":
      return done(`${view} serves the version before; ${view}:building is what served`);
  }
}

/** Drops a version that does not serve, with its documents. */
export async function drop(
  operations: Operations,
  view: string,
  role: "previous" | "building",
): Promise<Outcome> {
  await versionsOf(operations, view);
  if (await operations.drop(view, role)) return done(`${view}:${role} is gone`);
  const text = `there is no ${view}:${role}`;
  return { code: exitCodes.faultFound, reason: "nothing-to-drop", text };
}
