import { readFile, readlink, rm } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

import { sleep } from "#kernel/clock.ts";
import { VarveError } from "#kernel/errors.ts";

import { run } from "./account.ts";
import type { Account } from "./account.ts";
import type { Binaries } from "./binaries.ts";

/** A server that answers on 127.0.0.1. */
export type Running = { readonly pid: number; readonly port: number };

type Lock = Running & { readonly status: string };

/** The lock file of a cluster. Source: Postgres, `src/include/utils/pidfile.h`. */
export async function readLock(cluster: string): Promise<Lock | null> {
  const text = await readFile(join(cluster, "postmaster.pid"), "utf8").catch(() => "");
  const lines = text.split("\n");
  const pid = Number(lines[0]);
  if (!Number.isSafeInteger(pid) || pid <= 0) return null;
  return { pid, port: Number(lines[3] ?? 0), status: lines[7]?.trim() ?? "starting" };
}

/** Whether a process of that id exists, be it ours or not, dead and not yet reaped included. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/**
 * Whether the process is a Postgres of this cluster. The id alone does not tell: ids are given
 * again (at once, in a restarted container), and a killed server that nobody reaps keeps its own.
 */
export async function serves(pid: number, cluster: string): Promise<boolean> {
  if (!isAlive(pid)) return false;
  if (process.platform === "linux") {
    return (await readlink(`/proc/${pid}/cwd`).catch(() => "")) === cluster;
  }
  const { output } = await run(null, "ps", ["-p", String(pid), "-o", "command="]);
  return output.includes("postgres");
}

/** Longer than the recovery of a development database takes. */
const readyMs = 30_000;

/**
 * The server that runs in the cluster, once it is ready; null if there is none. A lock file whose
 * server is gone is removed, for Postgres would believe it if its process id is in use again.
 * Throws VarveError "database-unavailable" if a starting server does not get ready.
 */
export async function findRunning(cluster: string): Promise<Running | null> {
  const deadline = Date.now() + readyMs;
  while (Date.now() < deadline) {
    const lock = await readLock(cluster);
    if (lock === null) return null;
    if (!(await serves(lock.pid, cluster))) {
      await rm(join(cluster, "postmaster.pid"), { force: true });
      return null;
    }
    if (lock.status === "ready") return { pid: lock.pid, port: lock.port };
    await sleep(20);
  }
  throw new VarveError("database-unavailable", `the Postgres in ${cluster} does not get ready`);
}

function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const probe = createServer();
  probe.on("error", reject);
  probe.listen(0, "127.0.0.1", () => {
    const { port } = probe.address() as AddressInfo;
    probe.close(() => resolve(port));
  });
  return promise;
}

const settings = (port: number, durable: boolean): readonly string[] => [
  `port=${port}`,
  "listen_addresses=127.0.0.1",
  // Only the password lets anybody in: no socket that other users of the machine could find.
  "unix_socket_directories=",
  `fsync=${durable ? "on" : "off"}`,
  `full_page_writes=${durable ? "on" : "off"}`,
  // The append asserts it; without fsync it costs nothing.
  "synchronous_commit=on",
  "timezone=UTC",
  "log_timezone=UTC",
  // Twice the contract's MAX_DB_CONNECTIONS: two instances, or a test run's workers.
  "max_connections=200",
  // Neither statements nor values of rows may reach a log.
  "log_min_error_statement=panic",
  "log_error_verbosity=terse",
];

const logTail = async (log: string): Promise<string> =>
  (await readFile(log, "utf8").catch(() => "")).trim().split("\n").slice(-5).join("\n");

/** A port taken meanwhile, or backends of a killed server that have not ended: it passes. */
const startAttempts = 5;

export type StartOptions = { readonly durable: boolean; readonly port?: number | undefined };

/**
 * Starts the cluster's server, or joins another process that is starting it. It outlives us:
 * pg_ctl gives it a session of its own. Throws VarveError "database-unavailable" with the end of
 * the server's log.
 */
export async function startServer(
  account: Account,
  binaries: Binaries,
  cluster: string,
  options: StartOptions,
): Promise<Running> {
  const log = join(cluster, "server.log");
  if (options.durable) await run(account, binaries.initdb, ["--sync-only", `--pgdata=${cluster}`]);
  for (let attempt = 1; ; attempt += 1) {
    await rm(log, { force: true });
    const port = options.port ?? (await freePort());
    const flags = settings(port, options.durable).map((setting) => `-c ${setting}`);
    const args = ["start", "-w", "-t", "30", "-D", cluster, "-l", log, "-o", flags.join(" ")];
    await run(account, binaries.pgCtl, args);
    const running = await findRunning(cluster);
    if (running !== null) return running;
    if (attempt === startAttempts) break;
    await sleep(200 * attempt);
  }
  const message = `Postgres did not start; its log ends with:\n${await logTail(log)}`;
  throw new VarveError("database-unavailable", message);
}
