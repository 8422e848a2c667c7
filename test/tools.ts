import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";

/** A program that finds faults in a tree; it runs in the tree's root. */
export type Tool = { readonly name: string; readonly command: readonly string[] };

const script = (path: string): string[] => [process.execPath, join("node_modules", path)];

/** Every migration by its name, for squawk takes a pattern without a match for success. */
const migrations = (root: string): string[] =>
  readdirSync(join(root, "sql", "migration"))
    .filter((name) => name.endsWith(".sql"))
    .map((name) => join("sql", "migration", name));

/**
 * The guards of `bun run check` for the tree at `root`. `--no-script`, because `bun check` and `bun
 * fmt` would otherwise run the package script of that name: this one.
 */
export const tools = (root: string): readonly Tool[] => [
  { name: "fmt", command: [process.execPath, "fmt", "--no-script", "--check"] },
  { name: "oxlint", command: [...script("oxlint/bin/oxlint"), "--type-aware"] },
  { name: "types", command: [process.execPath, "check", "--no-script"] },
  { name: "knip", command: script("knip/bin/knip-bun.js") },
  { name: "squawk", command: [...script("squawk-cli/js/bin/squawk"), ...migrations(root)] },
];

export type Verdict = {
  readonly name: string;
  readonly passed: boolean;
  readonly output: string;
  readonly durationMs: number;
};

/** Runs the tool to its end. A tool that cannot start has not passed. */
export function runTool(tool: Tool, root: string): Promise<Verdict> {
  const { promise, resolve } = Promise.withResolvers<Verdict>();
  const start = performance.now();
  const [program = "", ...args] = tool.command;
  const child = spawn(program, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const end = (passed: boolean): void =>
    resolve({ name: tool.name, passed, output, durationMs: performance.now() - start });
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.on("error", (error) => {
    output += error.message;
    end(false);
  });
  child.on("close", (code) => end(code === 0));
  return promise;
}
