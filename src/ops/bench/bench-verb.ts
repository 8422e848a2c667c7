import { cpus } from "node:os";

import { defineVerb } from "#ops/cli-arguments.ts";
import { requireConfig } from "#ops/config.ts";
import { type ExitCode, exitCodes, UsageError } from "#ops/exit.ts";
import { writeLine } from "#ops/output.ts";
import { openPool } from "#store/pool.ts";

import { serviceAccess } from "#ops/service-access.ts";

import { type AppendBench, benchAppend, type Measured } from "./append.ts";
import { benchHttp, type Spread } from "./http.ts";
import { withScratchDatabase } from "./scratch-database.ts";

/** A whole number of a flag, at least 1. */
function wholeNumber(flag: string, text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new UsageError(`--${flag} needs a whole number`);
}

const shown = ({ perSecond, p50Ms, p99Ms }: Measured): string =>
  `${perSecond.toFixed(0).padStart(7)}/s ${p50Ms.toFixed(1).padStart(6)} ${p99Ms.toFixed(1).padStart(6)}`;

function printAppend(rows: readonly AppendBench[]): void {
  writeLine(
    "writers |   group commit  p50ms  p99ms |   one by one  p50ms  p99ms | ceiling | ratios",
  );
  for (const { writers, group, single, ceilingPerSecond, groupToSingle, groupToCeiling } of rows) {
    const ratios = `${groupToSingle.toFixed(2)} × single, ${groupToCeiling.toFixed(2)} of ceiling`;
    writeLine(
      `${String(writers).padStart(7)} | ${shown(group)} | ${shown(single)} | ${ceilingPerSecond.toFixed(0).padStart(7)} | ${ratios}`,
    );
  }
}

const append = defineVerb({
  name: "append",
  description: "Appends a second against one by one and the server's ceiling, in one run",
  args: {
    writers: { type: "string", default: "1,16,64,256", description: "concurrent writers" },
    rounds: { type: "string", default: "3", description: "rounds; medians are shown" },
    seconds: { type: "string", default: "2", description: "of each measurement" },
    payload: { type: "string", default: "200", description: "characters of an event's payload" },
  },
  run: async (args): Promise<void> => {
    const options = {
      writers: args.writers.split(",").map((text) => wholeNumber("writers", text)),
      rounds: wholeNumber("rounds", args.rounds),
      durationMs: wholeNumber("seconds", args.seconds) * 1000,
      payloadSize: wholeNumber("payload", args.payload),
    };
    const { database } = requireConfig(process.env);
    const rows = await withScratchDatabase(database.url, async (url) => {
      const pool = openPool({
        url,
        size: database.poolSize,
        applicationName: "varve bench",
        statementTimeoutMs: database.statementTimeoutMs,
        acquireTimeoutMs: database.poolTimeoutMs,
        prepare: database.prepare,
      });
      const progress = (share: number): void =>
        void process.stderr.write(`\r${(share * 100).toFixed(0)} %${share === 1 ? "\n" : ""}`);
      try {
        return await benchAppend(pool, options, progress);
      } finally {
        await pool.close(1_000);
      }
    });
    if (args.json)
      writeLine(JSON.stringify({ bench: "append", cores: cpus().length, options, rows }));
    else printAppend(rows);
  },
});

const http = defineVerb({
  name: "http",
  description: "Commands at a steady rate against VARVE_URL, followed until they can be read",
  args: {
    rate: { type: "string", default: "200", description: "commands a second" },
    seconds: { type: "string", default: "20", description: "how long" },
  },
  run: async (args): Promise<ExitCode> => {
    const options = {
      ...(await serviceAccess()),
      perSecond: wholeNumber("rate", args.rate),
      durationMs: wholeNumber("seconds", args.seconds) * 1000,
    };
    const measured = await benchHttp(options);
    const { perSecond, durationMs } = options;
    if (args.json) {
      writeLine(JSON.stringify({ bench: "http", perSecond, durationMs, ...measured }));
    } else {
      const line = (what: string, { p50Ms, p99Ms, maxMs }: Spread): void =>
        writeLine(
          `${what} p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms, max ${maxMs.toFixed(1)} ms`,
        );
      writeLine(`${measured.commands} commands at ${perSecond}/s, ${measured.failed} failed`);
      line("answered", measured.answered);
      line("visible ", measured.visible);
    }
    return measured.failed === 0 ? exitCodes.done : exitCodes.faultFound;
  },
});

/** `varve bench append|http`: what it costs, compared within one run. */
export const benchVerb = defineVerb({
  name: "bench",
  description: "Measure, compared within one run",
  verbs: { append: () => Promise.resolve(append), http: () => Promise.resolve(http) },
});
