import { defineVerb } from "./cli-arguments.ts";
import type { Diagnosis } from "./doctor/check.ts";
import { examine } from "./doctor/examine.ts";
import { runHistory } from "./doctor/history-verb.ts";
import { type ExitCode } from "./exit.ts";
import { writeLine } from "./output.ts";

const marks = { ok: "ok  ", warn: "warn", fail: "FAIL" } as const;

const lineOf = ({ check, status, says, remedy }: Diagnosis): string =>
  `${marks[status]} ${check.padEnd(13)} ${says}${remedy === undefined ? "" : `\n     → ${remedy}`}`;

/**
 * `varve doctor`: is this installation fit to run, and if not, what is to be done. With `--history`:
 * can this program read everything that was ever stored.
 */
export const doctorVerb = defineVerb({
  name: "doctor",
  description: "Check that this installation is fit to run; exit 1 if it is not",
  args: {
    history: {
      type: "boolean",
      description: "read the whole log through today's upcasters and schemas instead",
    },
  },
  run: async (args): Promise<ExitCode> => {
    if (args.history === true) return runHistory(process.env, args.json === true);
    const { diagnoses, exitCode } = await examine(process.env);
    if (args.json) writeLine(JSON.stringify({ ok: exitCode === 0, checks: diagnoses }));
    else for (const diagnosis of diagnoses) writeLine(lineOf(diagnosis));
    return exitCode;
  },
});
