import { readFile } from "node:fs/promises";

import { run } from "./account.ts";

type Process = { readonly parent: number; readonly command: string };

async function readProcess(pid: number): Promise<Process> {
  if (process.platform !== "linux") {
    const { output } = await run(null, "ps", ["-o", "ppid=,command=", "-p", String(pid)]);
    const [, parent = "0", command = ""] = /^\s*(\d+)\s+(.*)/.exec(output) ?? [];
    return { parent: Number(parent), command };
  }
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  // The second field is a program's name in brackets, which may hold blanks and brackets.
  const [, parent = "0"] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { parent: Number(parent), command: command.replaceAll("\0", " ") };
}

/** npm names itself `npm exec …`; before that, and on some systems, it is a script of node. */
const isNpm = (command: string): boolean => /^npm |\/(npm|npx)(-cli\.js)? /.test(command);

/** Us, `bun run`, npm's shell, npm. */
const generationsMax = 4;

/** Our ancestors up to npm, the nearest first; null if npm is not among them. */
async function readLine(): Promise<readonly number[] | null> {
  const line: number[] = [];
  for (let pid = process.pid; line.length <= generationsMax && pid > 1;) {
    const { parent, command } = await readProcess(pid);
    line.push(pid);
    if (isNpm(command)) return line;
    pid = parent;
  }
  return null;
}

const lookMs = 500;

/**
 * Calls back once when the npx that launched us is gone. Nobody else would tell: a `kill -9` of npx
 * leaves its shell, `bun run` and us behind. Without npx it does nothing, for `bun run` itself takes
 * us with it (`noOrphans` in bunfig.toml), and a shell that ends does not want its jobs to.
 */
export function onLauncherGone(callback: () => void): void {
  if (process.env["npm_execpath"] === undefined) return;
  let first: string | undefined;
  const look = async (): Promise<void> => {
    const line = (await readLine())?.join() ?? "none";
    first ??= line;
    if (first !== "none" && line === first) return;
    clearInterval(timer);
    if (first !== "none") callback();
  };
  const timer = setInterval(() => void look(), lookMs).unref();
  void look();
}
