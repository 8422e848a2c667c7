import { parseArgs } from "node:util";

import type { ArgDef, ArgsDef, CommandDef, ParsedArgs } from "citty";

import { type ExitCode, UsageError } from "./exit.ts";

/** Any verb, its own arguments forgotten. */
export type Verb = CommandDef;

/** Verbs by name, loaded when called, so that `serve` does not read the code of `bench`. */
export type Verbs = Readonly<Record<string, Verb | (() => Promise<Verb>)>>;

const jsonFlag = {
  json: { type: "boolean", description: "write JSON instead of text" },
} as const satisfies ArgsDef;

type Running = ExitCode | undefined | void;

/** What a verb declares. `--json` is added to `args`; `run` returns its exit code, none for 0. */
export type VerbDefinition<Args extends ArgsDef> = {
  readonly name: string;
  readonly description: string;
  /** For the program's own use: left out of the help. */
  readonly hidden?: boolean;
  readonly args?: Args;
  /** Words that may follow, `keys create`; the verb runs itself when none does. */
  readonly verbs?: Verbs;
  readonly run?: (args: ParsedArgs<Args & typeof jsonFlag>) => Running | Promise<Running>;
};

/** A citty command that has `--json`, as every verb must. */
export function defineVerb<const Args extends ArgsDef = Record<never, never>>(
  definition: VerbDefinition<Args>,
): Verb {
  const { name, description, hidden = false, args, verbs, run } = definition;
  const command = {
    meta: { name, description, hidden },
    ...(verbs === undefined ? {} : { subCommands: verbs }),
    ...(run === undefined
      ? {}
      : {
          args: { ...args, ...jsonFlag },
          run: (context: { args: ParsedArgs<Args & typeof jsonFlag> }) => run(context.args),
        }),
  };
  // Methods of a command with arguments of its own take narrower contexts than any command's.
  return command as unknown as Verb;
}

/** A verb that was found, the words that led to it, and what is left of the command line. */
export type Call = {
  readonly verb: Verb;
  readonly parent: Verb;
  readonly words: readonly string[];
  readonly rest: readonly string[];
  /** Nothing can run here: a word is missing, unknown, or a flag stands in its place. */
  readonly fault: string | undefined;
};

/**
 * Follows the words of the command line as deep as verbs go. citty's own search is not used: it
 * runs a parent after its sub-verb, drops flags before a verb, and finds `constructor`.
 */
export async function findCall(root: Verb, argv: readonly string[]): Promise<Call> {
  let call: Call = { verb: root, parent: root, words: [], rest: argv, fault: undefined };
  for (;;) {
    const children = await resolved(call.verb.subCommands);
    if (children === undefined) return call;
    const [word, ...rest] = call.rest;
    const child = word !== undefined && Object.hasOwn(children, word) ? children[word] : undefined;
    if (word === undefined || child === undefined) {
      return { ...call, fault: missingWord(call, word) };
    }
    const verb = (await resolved(child)) as Verb;
    call = { verb, parent: call.verb, words: [...call.words, word], rest, fault: undefined };
  }
}

function missingWord(call: Call, word: string | undefined): string | undefined {
  const runs = call.verb.run !== undefined;
  if (word === undefined) return runs ? undefined : "say what to do";
  if (word.startsWith("-")) return runs ? undefined : "flags follow the verb";
  return `unknown: ${[...call.words, printable(word)].join(" ")}`;
}

/** Control characters in an argument must not reach a terminal. */
export const printable = (text: string): string => text.replaceAll(/[^ -~]/g, "?").slice(0, 80);

/** Whether help was asked for, anywhere before `--`. */
export const wantsHelp = (argv: readonly string[]): boolean =>
  argv
    .slice(0, argv.includes("--") ? argv.indexOf("--") : undefined)
    .some((word) => word === "--help" || word === "-h");

/**
 * Throws UsageError for a flag that the verb does not have, a value where none belongs or one that
 * is missing, and for words too many. citty lets all of them pass.
 */
export async function checkArguments(verb: Verb, rest: readonly string[]): Promise<void> {
  const declared = Object.entries((await resolved(verb.args)) ?? {});
  const flags = declared.filter(([, definition]) => definition.type !== "positional");
  const options = Object.fromEntries(flags.flatMap(([name, flag]) => optionsOf(name, flag)));
  const { positionals } = parseStrictly(rest, options);
  const wordsMax = declared.length - flags.length;
  const extra = positionals[wordsMax];
  if (extra !== undefined) throw new UsageError(`one word too many: ${printable(extra)}`);
}

type Options = Readonly<Record<string, { readonly type: "string" | "boolean"; short?: string }>>;

function optionsOf(name: string, flag: ArgDef): [string, Options[string]][] {
  const type = flag.type === "boolean" ? "boolean" : "string";
  const aliases = "alias" in flag ? [flag.alias ?? []].flat() : [];
  const short = aliases.find((alias) => alias.length === 1);
  const long = aliases.filter((alias) => alias.length > 1);
  return [
    [name, { type, ...(short === undefined ? {} : { short }) }],
    ...long.map((alias): [string, Options[string]] => [alias, { type }]),
  ];
}

function parseStrictly(rest: readonly string[], options: Options): { positionals: string[] } {
  try {
    return parseArgs({
      args: [...rest],
      options,
      allowPositionals: true,
      allowNegative: true,
      strict: true,
    });
  } catch (error) {
    // Its messages go on with advice in further sentences; the first one says it.
    const text = error instanceof Error ? error.message : String(error);
    throw new UsageError(printable(text.split(/\.\s|\n/)[0] ?? text), { cause: error });
  }
}

/** A value of citty's that may be given as a promise or a function. */
async function resolved<Value>(
  value: Value | Promise<Value> | (() => Value) | (() => Promise<Value>) | undefined,
): Promise<Value | undefined> {
  return typeof value === "function" ? (value as () => Value | Promise<Value>)() : value;
}
