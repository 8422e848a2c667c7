import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { chmodSync, cpSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, relative } from "node:path";

import { until } from "#test/until.ts";

/** What a clone of the repository would not have. */
const notCloned = new Set([".git", ".varve", "dist", "node_modules"]);

/**
 * A copy of this tree as a fresh clone would be, with those files and folders that `isWanted` keeps.
 * Anybody may read it, for Postgres does not run as root.
 */
export function copyTree(isWanted: (path: string) => boolean = () => true): string {
  const tree = mkdtempSync(join(tmpdir(), "varve-copy-"));
  chmodSync(tree, 0o755);
  for (const name of readdirSync(".").filter((each) => !notCloned.has(each))) {
    cpSync(name, join(tree, name), { recursive: true, filter: isWanted });
  }
  return tree;
}

function filesUnder(tree: string, name: string): readonly string[] {
  if (!statSync(join(tree, name)).isDirectory()) return [name];
  const entries = readdirSync(join(tree, name), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(tree, join(entry.parentPath, entry.name)));
}

/** The text of every file of the tree by its path, but for what a clone would not have. */
export function textsOf(tree: string): ReadonlyMap<string, string> {
  const paths = readdirSync(tree)
    .filter((name) => !notCloned.has(name))
    .flatMap((name) => filesUnder(tree, name));
  return new Map(paths.toSorted().map((path) => [path, readFileSync(join(tree, path), "utf8")]));
}

/** A folder for the PATH in which `bun` is the one that runs this test. */
export function bunFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "varve-bun-"));
  for (const name of ["bun", basename(process.execPath)]) {
    rmSync(join(folder, name), { force: true });
    symlinkSync(process.execPath, join(folder, name));
  }
  return folder;
}

export type Running = {
  readonly child: ChildProcess;
  /** What it has written so far, stderr included. */
  readonly output: () => string;
  /** Resolves with the first match in the output; throws after 15 s, or once the process has ended. */
  readonly seen: (pattern: RegExp) => Promise<RegExpExecArray>;
  /** Resolves with the code, or the signal, at its end; throws after the deadline. */
  readonly ended: (deadlineMs?: number) => Promise<number | string>;
};

/** Starts a program in the folder; its environment is what is given, and nothing of ours. */
export function run(
  folder: string,
  command: readonly [string, ...string[]],
  environment: NodeJS.ProcessEnv = {},
): Running {
  const [program, ...args] = command;
  const child = spawn(program, args, {
    cwd: folder,
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  let end: number | string | undefined;
  child.on("error", (error) => (end = error.message));
  child.on("close", (code, signal) => (end = signal ?? code ?? "no code"));
  return {
    child,
    output: () => output,
    seen: (pattern) =>
      until(
        `${pattern} in the output`,
        () => {
          const match = pattern.exec(output);
          if (match === null && end !== undefined) throw new Error(`it ended (${end}):\n${output}`);
          return match;
        },
        15_000,
      ).catch((error: unknown) => {
        throw new Error(`${String(error)}\n${output}`, { cause: error });
      }),
    ended: (deadlineMs = 60_000) => until(`${command.join(" ")} ends`, () => end, deadlineMs),
  };
}
