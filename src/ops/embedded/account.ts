import { spawn } from "node:child_process";
import { stat } from "node:fs/promises";

/** Who runs the server: a user and group id, or null for whoever runs us. */
export type Account = { readonly uid: number; readonly gid: number } | null;

/** The ids of `nobody` and `nogroup` on every Linux that we build for. */
const nobody = 65_534;

/**
 * Who runs the server of the cluster. Postgres refuses to run as root, so that root hands it to
 * the owner of the cluster, and a new one to `nobody`.
 */
export async function serverAccount(directory: string): Promise<Account> {
  if (process.getuid?.() !== 0) return null;
  const owner = await stat(directory).catch(() => null);
  if (owner !== null && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  return { uid: nobody, gid: nobody };
}

export type Outcome = { readonly code: number | null; readonly output: string };

/**
 * Runs a program to its end as the account and gives its code (null if it could not start or was
 * killed) with all that it printed. It runs in a session of its own, so that Ctrl-C does not reach
 * it; in `/`, which every account may enter; and without our environment, which holds secrets.
 */
export function run(account: Account, program: string, args: readonly string[]): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const child = spawn(program, args, {
    ...account,
    cwd: "/",
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" },
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.on("error", (error) => resolve({ code: null, output: `${output}${error.message}` }));
  child.on("close", (code) => resolve({ code, output }));
  return promise;
}

/** Whether the account may enter the directory and all those above it. */
export async function mayEnter(account: Account, directory: string): Promise<boolean> {
  if (account === null) return true;
  return (await run(account, "/bin/sh", ["-c", 'cd -- "$0"', directory])).code === 0;
}
