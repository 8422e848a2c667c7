import { defineVerb } from "#ops/cli-arguments.ts";
import { type ExitCode, exitCodes } from "#ops/exit.ts";
import { wholeNumber } from "#ops/flags.ts";
import { writeLine } from "#ops/output.ts";
import { serviceAccess } from "#ops/service-access.ts";

import { seconds } from "./flags.ts";
import { benchHttp, type Spread } from "./http.ts";

/** `varve bench http`: what a caller of a running service waits. */
export const httpVerb = defineVerb({
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
      durationMs: seconds("seconds", args.seconds),
      read: "looking" as const,
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
