import { defineVerb } from "#ops/cli-arguments.ts";
import { requireConfig } from "#ops/config.ts";
import type { ExitCode } from "#ops/exit.ts";
import { wholeNumber } from "#ops/flags.ts";

import { chosen } from "./flags.ts";
import { commonFlags, runScenarios } from "./run-scenarios.ts";
import type { ProjectBench, Scenario } from "./scenario.ts";
import { catchUpScenario } from "./scenarios/catch-up.ts";
import { live } from "./scenarios/live.ts";
import { setBased } from "./scenarios/set-based.ts";

const scenarios: Readonly<Record<string, Scenario<ProjectBench>>> = {
  "catch-up": catchUpScenario,
  "set-based": setBased,
  live,
};

/** `varve bench project`: how fast views follow the log, from zero and at its head. */
export const projectVerb = defineVerb({
  name: "project",
  description: "How fast views catch up and follow, compared within one run",
  args: {
    scenario: {
      type: "string",
      default: "all",
      description: `any of ${Object.keys(scenarios).join(", ")}, with commas; or all`,
    },
    file: { type: "string", description: "catch up over these invoices (CSV, plain or gzipped)" },
    events: { type: "string", default: "50000", description: "events made up without a file" },
    rate: { type: "string", default: "500", description: "commands a second" },
    ...commonFlags,
    seconds: { ...commonFlags.seconds, default: "10" },
  },
  run: (args): Promise<ExitCode> => {
    const options = {
      file: args.file,
      events: wholeNumber("events", args.events),
      perSecond: wholeNumber("rate", args.rate),
      settings: requireConfig(process.env).subscription,
    };
    return runScenarios("project", args, { options, scenarios: chosen(args.scenario, scenarios) });
  },
});
