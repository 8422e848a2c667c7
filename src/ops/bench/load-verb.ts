import { defineVerb } from "#ops/cli-arguments.ts";
import type { ExitCode } from "#ops/exit.ts";
import { wholeNumber } from "#ops/flags.ts";

import { chosen, wholeNumbers } from "./flags.ts";
import { commonFlags, payloadFlag, runScenarios } from "./run-scenarios.ts";
import type { LoadBench, Scenario } from "./scenario.ts";
import { memory } from "./scenarios/memory.ts";
import { partitions } from "./scenarios/partitions.ts";
import { sizes } from "./scenarios/sizes.ts";

const scenarios: Readonly<Record<string, Scenario<LoadBench>>> = { sizes, memory, partitions };

/** `varve bench load`: what it costs to load a stream and to read the log. */
export const loadVerb = defineVerb({
  name: "load",
  description: "Loads of streams and reads of the log, compared within one run",
  args: {
    scenario: {
      type: "string",
      default: "all",
      description: `any of ${Object.keys(scenarios).join(", ")}, with commas; or all`,
    },
    sizes: { type: "string", default: "10,1000,100000", description: "events of the streams" },
    months: { type: "string", default: "1,12,60", description: "numbers of partitions" },
    events: { type: "string", default: "240000", description: "events around the streams" },
    ...payloadFlag,
    ...commonFlags,
    seconds: { ...commonFlags.seconds, default: "1" },
  },
  run: (args): Promise<ExitCode> => {
    const options = {
      payloadSize: wholeNumber("payload", args.payload),
      sizes: wholeNumbers("sizes", args.sizes),
      months: wholeNumbers("months", args.months),
      events: wholeNumber("events", args.events),
    };
    return runScenarios("load", args, { options, scenarios: chosen(args.scenario, scenarios) });
  },
});
