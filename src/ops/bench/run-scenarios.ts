import { cpus } from "node:os";

import { requireConfig } from "#ops/config.ts";
import { type ExitCode, exitCodes } from "#ops/exit.ts";
import { wholeNumber } from "#ops/flags.ts";
import { catchInterrupts } from "#ops/interrupts.ts";
import { progressLine, writeLine } from "#ops/output.ts";

import { type Comparison, describeComparison } from "./compare.ts";
import { seconds } from "./flags.ts";
import type { Bench, Scenario } from "./scenario.ts";
import { withScratchServer } from "./scratch-server.ts";

/** The flags that every comparison has. */
export const commonFlags = {
  rounds: { type: "string", default: "5", description: "rounds; the median ratio is judged" },
  seconds: { type: "string", default: "2", description: "of each measurement" },
  enforce: { type: "boolean", description: "end with exit code 1 where an aim is missed" },
} as const;

/** Of those that append events of their own. */
export const payloadFlag = {
  payload: { type: "string", default: "200", description: "characters of an event's payload" },
} as const;

type CommonFlags = {
  readonly rounds: string;
  readonly seconds: string;
  readonly enforce?: boolean | undefined;
  readonly json?: boolean | undefined;
};

/**
 * Runs the scenarios one after the other on a server of their own, or in databases of their own on
 * the configured one, and reports. Interrupted, it removes what it made, reports the scenarios
 * that were finished, and ends with 130.
 */
export async function runScenarios<Options extends object>(
  bench: string,
  flags: CommonFlags,
  of: { readonly options: Options; readonly scenarios: readonly Scenario<Bench & Options>[] },
): Promise<ExitCode> {
  const common = {
    rounds: wholeNumber("rounds", flags.rounds),
    durationMs: seconds("seconds", flags.seconds),
  };
  const { database } = requireConfig(process.env);
  const interrupt = catchInterrupts();
  const comparisons: Comparison[] = [];
  try {
    await withScratchServer(database.url, interrupt.signal, async (server) => {
      const poolOptions: Bench["poolOptions"] = (url) => ({
        url,
        size: database.poolSize,
        applicationName: "varve bench",
        statementTimeoutMs: database.statementTimeoutMs,
        acquireTimeoutMs: database.poolTimeoutMs,
        prepare: database.prepare,
      });
      for (const scenario of of.scenarios) {
        comparisons.push(
          ...(await scenario({
            ...common,
            ...of.options,
            server,
            poolOptions,
            note: progressLine.say,
          })),
        );
      }
    });
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
  } finally {
    interrupt.release();
    progressLine.clear();
  }
  const options = { ...common, ...of.options };
  if (flags.json === true) {
    writeLine(JSON.stringify({ bench, cores: cpus().length, options, comparisons }));
  } else for (const comparison of comparisons) writeLine(describeComparison(comparison));
  if (interrupt.signal.aborted) return exitCodes.interrupted;
  const missed = comparisons.some(({ met }) => met === false);
  return flags.enforce === true && missed ? exitCodes.faultFound : exitCodes.done;
}
