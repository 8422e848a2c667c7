import { readFile } from "node:fs/promises";

import { run } from "./account.ts";

async function parentOf(pid: number): Promise<number> {
  if (process.platform === "linux") {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    // The second field is a program's name in brackets, which may hold blanks and brackets.
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1] ?? 0);
  }
  return Number((await run(null, "ps", ["-o", "ppid=", "-p", String(pid)])).output.trim());
}

/** Us, `bun run`, npm's shell and npm: as far up as `npx bun run …` goes. */
const generations = 3;
const lookMs = 500;

/**
 * Calls back once when npx, if it launched us, is gone. Nobody else would tell: a `kill -9` of npx
 * leaves `bun run` and us running with nobody to stop us. Without npx it does nothing, for `bun
 * run` itself takes us with it (`noOrphans` in bunfig.toml).
 */
export function onLauncherGone(callback: () => void): void {
  if (process.env["npm_command"] !== "exec") return;
  let known: string | undefined;
  const look = async (): Promise<void> => {
    const line = [process.pid];
    for (let up = 0; up < generations; up += 1) line.push(await parentOf(line.at(-1) ?? 0));
    known ??= line.join();
    if (line.join() === known) return;
    clearInterval(timer);
    callback();
  };
  const timer = setInterval(() => void look(), lookMs).unref();
  void look();
}
