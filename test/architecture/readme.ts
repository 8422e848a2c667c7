import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { checkArguments, findCall, type Verb } from "#ops/cli-arguments.ts";
import { verbs } from "#ops/cli.ts";
import { renderConfigMarkdown } from "#ops/config-table.ts";

// What the README says, held against the tree. Each check takes the text and gives what is wrong in
// it, so that a test can plant a fault.

type Fault = string;

const fence = /^```(\w*)\n([\s\S]*?)^```$/gm;

/** The blocks of a language, in order. */
export const blocksOf = (text: string, language: string): readonly string[] =>
  [...text.matchAll(fence)]
    .filter(([, name]) => name === language)
    .map(([, , content = ""]) => content);

/** What stands between backticks outside of blocks, white space made single. */
const codesOf = (text: string): readonly string[] =>
  [...text.replaceAll(fence, "").matchAll(/`([^`]+)`/g)].map(([, code = ""]) =>
    code.replaceAll(/\s+/g, " ").trim(),
  );

/** The cells of every row of the table below the heading, without its head. */
export function tableBelow(text: string, heading: string): readonly (readonly string[])[] {
  const section = text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("|"));
  return rows.slice(2).map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const inTree = /^(?:src|sql|test|docs|\.ci)\/|^[\w.-]+\.(?:toml|json|md|lock)$|^Dockerfile$/;

/** Files and folders that are named and do not exist. A place holder, `<plural>`, ends a path. */
export function checkPaths(text: string, root: string): readonly Fault[] {
  const links = [...text.matchAll(/\]\(([^)#]+)/g)].map(([, target = ""]) => target);
  const rooms = blocksOf(text, "").flatMap((block) =>
    [...block.matchAll(/(?<=\s)([a-z]+)\/(?=\s)/g)].map(([, room]) => `src/${room}`),
  );
  const named = [...links, ...rooms, ...codesOf(text).filter((code) => inTree.test(code))];
  return named
    .map((path) => path.replace(/[<*].*$/, ""))
    .filter((path) => !existsSync(join(root, path)))
    .map((path) => `there is no ${path}`);
}

/** Addresses of other machines: everything that a reader needs is here. */
export const checkAddresses = (text: string): readonly Fault[] =>
  [...text.matchAll(/https?:\/\/[^\s)`]+/g)]
    .map(([address]) => address)
    .filter((address) => !address.startsWith("http://localhost:3000"))
    .map((address) => `${address} is elsewhere`);

type Manifest = { readonly packageManager: string; readonly scripts: Record<string, string> };

const manifestOf = (root: string): Manifest =>
  JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Manifest;

/** Versions of Bun that are not the one of package.json. */
export const checkBun = (text: string, root: string): readonly Fault[] =>
  [...text.matchAll(/\bbun@[\d.]*\d/gi)]
    .map(([version]) => version)
    .filter((version) => version !== manifestOf(root).packageManager)
    .map((version) => `${version} is not the Bun of package.json`);

/** `serve` is given to the command line by `main.ts`, which nobody may import. */
const root: Verb = { subCommands: { ...verbs, serve: {} } };

/** What the command line finds wrong with the words. */
async function verbFault(words: readonly string[]): Promise<readonly Fault[]> {
  const { verb, rest, fault } = await findCall(root, words);
  const wrong = await checkArguments(verb, rest).catch((error: unknown) => String(error));
  const said = fault ?? wrong;
  return said === undefined ? [] : [`varve ${words.join(" ")}: ${said}`];
}

/** Commands that the command line or package.json does not know, flags included. */
export async function checkCommands(text: string, tree: string): Promise<readonly Fault[]> {
  const { scripts } = manifestOf(tree);
  const inBlocks = blocksOf(text, "sh").flatMap((block) => block.split("\n"));
  const lines = [...codesOf(text), ...inBlocks].map((line) => line.replace(/\s#.*$/, "").trim());
  const faults = lines.map(async (line): Promise<readonly Fault[]> => {
    const [first = "", second = "", third = "", ...rest] = line.split(" ");
    if (first === "varve" && /^[a-z]/.test(second)) return verbFault(line.split(" ").slice(1));
    if (Object.hasOwn(verbs, first)) return verbFault(line.split(" "));
    if (first !== "bun" || second !== "run") return [];
    const script = scripts[third];
    if (script === undefined) return [`there is no bun run ${third}`];
    const [, verb] = /src\/main\.ts ?(\S*)$/.exec(script) ?? [];
    return verb === undefined ? [] : verbFault([...(verb === "" ? [] : [verb]), ...rest]);
  });
  return (await Promise.all(faults)).flat();
}

/** Differences between the table of settings and the one that the schema writes. */
export function checkConfiguration(text: string): readonly Fault[] {
  const written = tableBelow(text, "Configuration").map((cells) => cells.join(" | "));
  const wanted = tableBelow(`## Configuration\n${renderConfigMarkdown()}`, "Configuration");
  const rows = wanted.map((cells) => cells.join(" | "));
  return [
    ...rows.filter((row) => !written.includes(row)).map((row) => `missing: ${row}`),
    ...written.filter((row) => !rows.includes(row)).map((row) => `not so: ${row}`),
    ...(rows.join() === [...written].join() ? [] : ["not in the order of the schema"]),
  ];
}

/** Words that the code does not use, of those that the terminology explains. */
export const checkTerms = (text: string, code: string): readonly Fault[] =>
  tableBelow(text, "Terminology")
    .flatMap(([words = ""]) => words.split(", "))
    .filter((word) => !new RegExp(`\\b${word.replace(" ", "[ _]?")}`, "i").test(code))
    .map((word) => `nothing is called ${word}`);
