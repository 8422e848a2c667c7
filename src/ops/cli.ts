import { renderUsage, runCommand } from "citty";

import { VarveError } from "#kernel/errors.ts";
import { safeError, safeMessage } from "#telemetry/safe-fields.ts";

import {
  type Call,
  checkArguments,
  findCall,
  type Verb,
  type Verbs,
  wantsHelp,
} from "./cli-arguments.ts";
import { type ExitCode, exitCodeOf, exitCodes, UsageError } from "./exit.ts";
import { version } from "./version.ts";

/**
 * The command line: `varve <verb> [word] [flags]`.
 *
 * What it is. The table of verbs and the frame that runs one. A verb is a `defineVerb` in a file of its
 * own, loaded when it is called; its `run` returns an exit code, or nothing for 0.
 *
 * What it promises. A command line that is not understood does nothing: usage on stderr, exit 2. A
 * flag that a verb does not have is an error, not ignored. Results go to stdout, everything else to
 * stderr. An error is written once, as one line of JSON under `--json`, with the exit code of
 * `exit.ts`; where in the code it arose is added only if LOG_LEVEL is debug or trace.
 *
 * What it relies on. Verbs throw VarveError or UsageError for what can be expected, and close what
 * they opened: the frame does not end the process, it says how it should end.
 *
 * How it fails. Whatever a verb throws becomes an exit code; a defect is 1.
 *
 * What it does not do. It reads no configuration and opens nothing: `varve --help` works on a
 * machine where nothing is set.
 */
export const verbs: Verbs = {
  bench: async () => (await import("./bench/bench-verb.ts")).benchVerb,
  config: async () => (await import("./config-verb.ts")).configVerb,
  "dead-letters": async () => (await import("./dead-letters-verb.ts")).deadLettersVerb,
  demo: async () => (await import("./demo/demo-verb.ts")).demoVerb,
  doctor: async () => (await import("./doctor-verb.ts")).doctorVerb,
  keys: async () => (await import("./keys-verb.ts")).keysVerb,
  migrate: async () => (await import("./migrate-verb.ts")).migrateVerb,
  partitions: async () => (await import("./partitions-verb.ts")).partitionsVerb,
  projections: async () => (await import("./projections/projections-verb.ts")).projectionsVerb,
  snapshots: async () => (await import("./snapshots-verb.ts")).snapshotsVerb,
  subscriptions: async () => (await import("./subscriptions-verb.ts")).subscriptionsVerb,
  verify: async () => (await import("./verify-verb.ts")).verifyVerb,
};

/** Where a command line writes, and the environment that it sees. Tests give their own. */
export type Terminal = {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
  readonly logLevel: string | undefined;
};

const processTerminal: Terminal = {
  out: (text) => void process.stdout.write(text),
  error: (text) => void process.stderr.write(text),
  logLevel: process.env["LOG_LEVEL"],
};

/**
 * Runs one command line and says how the process should end. `more` are verbs beside those of this
 * room. Never rejects.
 */
export async function runCli(
  argv: readonly string[],
  more: Verbs = {},
  terminal: Terminal = processTerminal,
): Promise<ExitCode> {
  const root: Verb = {
    meta: { name: "varve", description: "Event-sourced HTTP runtime" },
    subCommands: { ...more, ...verbs },
  };
  if (argv.length === 1 && argv[0] === "--version") {
    terminal.out(`${version}\n`);
    return exitCodes.done;
  }
  const json = argv.includes("--json");
  try {
    return await runCall(await findCall(root, argv), argv, { ...terminal, json });
  } catch (error) {
    terminal.error(errorText(error, { json, logLevel: terminal.logLevel }));
    return exitCodeOf(error);
  }
}

async function runCall(
  call: Call,
  argv: readonly string[],
  terminal: Terminal & { readonly json: boolean },
): Promise<ExitCode> {
  if (wantsHelp(argv)) {
    terminal.out(await usage(call));
    return exitCodes.done;
  }
  try {
    if (call.fault !== undefined) throw new UsageError(call.fault);
    await checkArguments(call.verb, call.rest);
    const { result } = await runCommand(call.verb, { rawArgs: [...call.rest] });
    return isExitCode(result) ? result : exitCodes.done;
  } catch (error) {
    const misused = asUsageError(error);
    if (misused === undefined) throw error;
    if (!terminal.json) terminal.error(await usage(call));
    throw misused;
  }
}

/** citty does not export the class of its own errors, which all are about usage. */
function asUsageError(error: unknown): UsageError | undefined {
  if (error instanceof UsageError) return error;
  const ofCitty = error instanceof Error && error.name === "CLIError";
  return ofCitty ? new UsageError(withoutColours(error.message), { cause: error }) : undefined;
}

const isExitCode = (value: unknown): value is ExitCode =>
  Object.values(exitCodes).some((code) => code === value);

async function usage(call: Call): Promise<string> {
  const { parent, verb, words } = call;
  const name = ["varve", ...words.slice(0, -1)].join(" ");
  const text =
    words.length === 0
      ? await renderUsage(verb)
      : await renderUsage(verb, { ...parent, meta: { name } });
  return `${process.stderr.isTTY ? text : withoutColours(text)}\n`;
}

// citty colours by the environment alone, also into a file.
const withoutColours = (text: string): string => text.replaceAll(/\u001B\[\d+m/g, "");

function errorText(
  error: unknown,
  options: { readonly json: boolean; readonly logLevel: string | undefined },
): string {
  const deep = options.logLevel === "debug" || options.logLevel === "trace";
  const code = error instanceof VarveError ? error.code : undefined;
  const message = error instanceof UsageError ? error.message : safeMessage(error);
  if (options.json) {
    const kind = error instanceof UsageError ? "usage" : (code ?? "defect");
    const trace = deep ? { trace: safeError(error) } : {};
    const body = { error: { code: kind, message, exitCode: exitCodeOf(error), ...trace } };
    return `${JSON.stringify(body)}\n`;
  }
  const trace = deep ? `\n${JSON.stringify(safeError(error), null, 2)}` : "";
  return `varve: ${code === undefined ? "" : `${code}: `}${message}${trace}\n`;
}
