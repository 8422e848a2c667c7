import { defineVerb } from "#ops/cli-arguments.ts";
import type { ExitCode } from "#ops/exit.ts";
import { wholeNumber } from "#ops/flags.ts";

import { chosen, wholeNumbers } from "./flags.ts";
import { commonFlags, payloadFlag, runScenarios } from "./run-scenarios.ts";
import type { AppendBench, Scenario } from "./scenario.ts";
import { baselines } from "./scenarios/baselines.ts";
import { otherDatabase } from "./scenarios/other-database.ts";
import { processes } from "./scenarios/processes.ts";
import { payloads, tenEvents } from "./scenarios/shapes.ts";
import { snapshot } from "./scenarios/snapshot.ts";
import { stored } from "./scenarios/stored.ts";

const scenarios: Readonly<Record<string, Scenario<AppendBench>>> = {
  baselines,
  snapshot,
  "other-database": otherDatabase,
  processes,
  "events-10": tenEvents,
  payloads,
  stored,
};

const FIVE_MILLION = "5000000";

/** `varve bench append`: what an append costs, alone and under what makes appends slow elsewhere. */
export const appendVerb = defineVerb({
  name: "append",
  description: "Appends a second, compared within one run",
  args: {
    scenario: {
      type: "string",
      default: "baselines",
      description: `any of ${Object.keys(scenarios).join(", ")}, with commas; or all`,
    },
    writers: { type: "string", default: "64", description: "concurrent writers, with commas" },
    stored: { type: "string", default: FIVE_MILLION, description: "events of the filled log" },
    age: { type: "string", default: "20000", description: "transactions since the snapshot" },
    ...payloadFlag,
    ...commonFlags,
  },
  run: (args): Promise<ExitCode> => {
    const options = {
      payloadSize: wholeNumber("payload", args.payload),
      writers: wholeNumbers("writers", args.writers),
      stored: wholeNumber("stored", args.stored),
      age: wholeNumber("age", args.age),
    };
    return runScenarios("append", args, { options, scenarios: chosen(args.scenario, scenarios) });
  },
});
