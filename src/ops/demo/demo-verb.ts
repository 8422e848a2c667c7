import { defineVerb } from "#ops/cli-arguments.ts";
import { type ExitCode, exitCodes } from "#ops/exit.ts";
import { wholeNumber } from "#ops/flags.ts";
import { catchInterrupts } from "#ops/interrupts.ts";
import { writeLine } from "#ops/output.ts";
import { serviceAccess } from "#ops/service-access.ts";

import { openProgress } from "./progress.ts";
import { describe } from "./report.ts";
import { type Report, runDemo } from "./run.ts";

const endings: Readonly<Record<Report["outcome"], ExitCode>> = {
  done: exitCodes.done,
  failed: exitCodes.faultFound,
  "views-behind": exitCodes.tryAgain,
  interrupted: exitCodes.interrupted,
};

/** Far above any year of invoices, far below what a plan in memory can hold. */
const limitMax = 1_000_000;
/** Bun opens at most 256 connections at once; more would only wait inside the client. */
const concurrencyMax = 256;

/** Sends invoices, or orders that it makes up, to a running service and says what came of it. */
export const demoVerb = defineVerb({
  name: "demo",
  description: "Send invoices, or made-up orders, to the service at VARVE_URL",
  args: {
    file: { type: "string", valueHint: "csv|csv.gz", description: "invoices; else 200 made-up" },
    limit: { type: "string", valueHint: "n", description: "take the first n invoices only" },
    concurrency: { type: "string", default: "64", description: "commands in flight, up to 256" },
    url: { type: "string", description: "the service, instead of VARVE_URL" },
  },
  run: async ({ file, limit, concurrency, url, json }): Promise<ExitCode> => {
    const options = {
      file,
      limit: limit === undefined ? undefined : wholeNumber("limit", limit, [1, limitMax]),
      concurrency: wholeNumber("concurrency", concurrency, [1, concurrencyMax]),
    };
    const service = await serviceAccess(url);
    const progress = openProgress(json ? "none" : progressKind());
    const interrupt = catchInterrupts();
    try {
      const report = await runDemo({ ...options, service, progress, signal: interrupt.signal });
      writeLine(json ? JSON.stringify(report) : describe(report).join("\n"));
      return endings[report.outcome];
    } finally {
      interrupt.release();
    }
  },
});

/** A terminal that does not say its width would get a bar of one character a line. */
const progressKind = (): "bar" | "lines" =>
  process.stderr.isTTY && process.stderr.columns > 0 ? "bar" : "lines";
