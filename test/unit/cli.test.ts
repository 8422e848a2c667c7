import { describe, expect, test } from "bun:test";

import { VarveError } from "#kernel/errors.ts";
import { defineVerb, findCall, type Verbs } from "#ops/cli-arguments.ts";
import { runCli, verbs } from "#ops/cli.ts";
import { type ExitCode, exitCodeOf, exitCodes, UsageError } from "#ops/exit.ts";

type Outcome = {
  readonly exitCode: ExitCode;
  readonly out: string;
  readonly error: string;
  readonly calls: readonly unknown[];
};

async function run(
  argv: readonly string[],
  options: { readonly failure?: unknown; readonly logLevel?: string } = {},
): Promise<Outcome> {
  const calls: unknown[] = [];
  const texts = { out: "", error: "" };
  const exitCode = await runCli(argv, sampleVerbs(calls, options.failure), {
    out: (text) => void (texts.out += text),
    error: (text) => void (texts.error += text),
    logLevel: options.logLevel,
  });
  return { exitCode, calls, ...texts };
}

function sampleVerbs(calls: unknown[], failure: unknown): Verbs {
  const create = defineVerb({
    name: "create",
    description: "Make a key",
    args: {
      scopes: { type: "string", alias: "s", required: true, description: "what it may" },
      owner: { type: "positional", required: false },
    },
    run: ({ scopes, owner, json }) => void calls.push(["create", scopes, owner, json]),
  });
  const status = defineVerb({
    name: "status",
    description: "Show what stands",
    run: ({ json }) => void calls.push(["status", json]),
  });
  return {
    stamps: defineVerb({ name: "stamps", description: "API keys", verbs: { create } }),
    shelve: async () =>
      defineVerb({
        name: "shelve",
        description: "Bring the schema up to date",
        verbs: { status: async () => status },
        run: () => void calls.push(["shelve"]),
      }),
    inspect: defineVerb({
      name: "inspect",
      description: "Look for faults",
      run: () => exitCodes.faultFound,
    }),
    fail: defineVerb({
      name: "fail",
      description: "Throw",
      run: () => {
        throw failure;
      },
    }),
  };
}

const lastLine = (text: string): string | undefined => text.trimEnd().split("\n").at(-1);

describe("the command line", () => {
  test("runs a verb, its words and flags taken apart", async () => {
    const { exitCode, calls, error } = await run([
      "stamps",
      "create",
      "-s",
      "admin",
      "ada",
      "--json",
    ]);
    expect({ exitCode, calls, error }).toEqual({
      exitCode: 0,
      calls: [["create", "admin", "ada", true]],
      error: "",
    });
  });

  test("runs the word and not its parent as well when a verb can run itself", async () => {
    expect((await run(["shelve", "status"])).calls).toEqual([["status", undefined]]);
    expect((await run(["shelve"])).calls).toEqual([["shelve"]]);
  });

  test("ends with the code that the verb returned", async () => {
    expect((await run(["inspect"])).exitCode).toBe(1);
  });

  test.each([
    [[], "say what to do"],
    [["nope"], "unknown: nope"],
    [["constructor"], "unknown: constructor"],
    [["stamps"], "say what to do"],
    [["stamps", "toString"], "unknown: stamps toString"],
    [["shelve", "now"], "unknown: shelve now"],
    [["--quiet", "shelve"], "flags follow the verb"],
    [["shelve", "--dry-run"], "Unknown option '--dry-run'"],
    [["shelve", "status", "-x"], "Unknown option '-x'"],
    [["stamps", "create"], "Missing required argument: --scopes"],
    [["stamps", "create", "--scopes"], "Option '-s, --scopes <value>' argument missing"],
    [["stamps", "create", "-s", "a", "one", "two"], "one word too many: two"],
    [["inspect", "--json=1"], "Option '--json' does not take an argument"],
    [["no\u001b[2Jpe"], "unknown: no?[2Jpe"],
  ])("does nothing and shows usage when it is given %j", async (argv, message) => {
    const { exitCode, calls, out, error } = await run(argv);
    expect({ exitCode, calls, out }).toEqual({ exitCode: 2, calls: [], out: "" });
    if (!argv.includes("--json=1")) expect(error).toContain("USAGE varve");
    expect(lastLine(error)).toBe(`varve: ${message}`);
  });

  test("writes one line of JSON when a call is not understood under --json", async () => {
    const { exitCode, error } = await run(["shelve", "now", "--json"]);
    expect({ exitCode, error: JSON.parse(error) as unknown }).toEqual({
      exitCode: 2,
      error: { error: { code: "usage", message: "unknown: shelve now", exitCode: 2 } },
    });
  });

  test.each([[["--help"]], [["stamps", "--help"]], [["stamps", "create", "-h"]]])(
    "shows usage on stdout and does nothing when help is asked for",
    async (argv) => {
      const { exitCode, out, error, calls } = await run(argv);
      expect({ exitCode, error, calls }).toEqual({ exitCode: 0, error: "", calls: [] });
      expect(out).toContain(`USAGE ${["varve", ...argv.slice(0, -1)].join(" ")} `);
    },
  );

  test("says an expected failure once, with its code, when a verb throws it", async () => {
    const failure = new VarveError("database-unavailable", "no answer from the database");
    expect(await run(["fail"], { failure })).toEqual({
      exitCode: 69,
      out: "",
      error: "varve: database-unavailable: no answer from the database\n",
      calls: [],
    });
    const { error } = await run(["fail", "--json"], { failure });
    expect(JSON.parse(error)).toEqual({
      error: {
        code: "database-unavailable",
        message: "no answer from the database",
        exitCode: 69,
      },
    });
  });

  test("shows where a failure arose only when LOG_LEVEL is debug", async () => {
    const failure = new TypeError("undefined is not a function");
    expect((await run(["fail"], { failure })).error).toBe("varve: undefined is not a function\n");
    expect((await run(["fail"], { failure, logLevel: "debug" })).error).toContain("cli.test.ts");
  });
});

test("every verb has --json when it can run", async () => {
  const lacking: string[] = [];
  const visit = async (words: readonly string[]): Promise<void> => {
    const { verb } = await findCall({ subCommands: verbs }, words);
    const args = (verb.args ?? {}) as Readonly<Record<string, unknown>>;
    if (verb.run !== undefined && !("json" in args)) lacking.push(words.join(" "));
    const children = (verb.subCommands ?? {}) as Verbs;
    for (const word of Object.keys(children)) await visit([...words, word]);
  };
  for (const word of Object.keys(verbs)) await visit([word]);
  expect(lacking).toEqual([]);
  expect(Object.keys(verbs)).toContain("config");
});

test("the exit code says what kind of failure it was when a verb throws", () => {
  const failures = [
    new UsageError("what"),
    new VarveError("database-timeout", "slow"),
    new VarveError("outcome-unknown", "reply lost"),
    new VarveError("configuration-invalid", "wrong"),
    new VarveError("sealed-value-tampered", "edited"),
    new Error("defect"),
    "text",
  ];
  expect(failures.map(exitCodeOf)).toEqual([2, 69, 75, 78, 1, 1, 1]);
});
