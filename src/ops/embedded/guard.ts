import { closeSync, constants, existsSync, openSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";

import { sleep } from "#kernel/clock.ts";
import { VarveError } from "#kernel/errors.ts";

import { run } from "./account.ts";
import type { Account } from "./account.ts";
import type { Binaries } from "./binaries.ts";
import { readLock, serves } from "./server.ts";

/**
 * The guard stops the server when the last process that uses it is gone, however it went.
 *
 * Every process that uses the server holds the writing end of a named pipe in the cluster; the
 * guard, a shell, reads from it. Reading ends when no writer is left: after a close, an exit or a
 * `kill -9`. The guard then stops the server, fast, and removes the cluster if it was a temporary
 * one. Two guards do no harm. A killed guard costs the guarantee, not the data: the server stays,
 * and the next start adopts it.
 *
 * It is started through a second fork and in a session of its own, because Bun's `noOrphans` asks
 * the kernel to kill Bun's own children with it, and Ctrl-C goes to the whole session.
 */
const script = `
( trap '' HUP INT TERM
  exec 3<"$0"
  exec >/dev/null 2>&1
  cat <&3
  exec 3<&-
  pid=$(head -n 1 "$2/postmaster.pid")
  # Not "pg_ctl stop -w": were the server started again meanwhile, it would wait for that one.
  "$1" stop -W -m fast -D "$2"
  tries=0
  while [ "$pid" ] && [ "$(head -n 1 "$2/postmaster.pid")" = "$pid" ]; do
    tries=$((tries + 1))
    [ $tries != 200 ] || "$1" stop -W -m immediate -D "$2"
    [ $tries != 300 ] || break
    sleep 0.1
  done
  [ -z "$3" ] || rm -rf "$2"
) &
`;

export type Guarded = {
  readonly account: Account;
  readonly binaries: Binaries;
  readonly cluster: string;
  /** The cluster is removed when its server has stopped. */
  readonly temporary: boolean;
};

/** The writing end, or null if nobody reads: there is no guard. */
function openWriter(pipe: string): number | null {
  try {
    return openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENXIO") return null;
    throw error;
  }
}

/** Starts a guard and gives the writing end. Its reading ends for good once that is closed. */
async function startGuard(guarded: Guarded, pipe: string): Promise<number> {
  const { account, binaries, cluster, temporary } = guarded;
  // Open at both ends, so that neither the guard nor we wait for the other.
  const both = openSync(pipe, constants.O_RDWR);
  try {
    const args = ["-c", script, pipe, binaries.pgCtl, cluster, temporary ? "remove" : ""];
    const { code, output } = await run(account, "/bin/sh", args);
    if (code !== 0) {
      throw new VarveError("database-unavailable", "the guard of Postgres did not start", {
        output,
      });
    }
    const writer = openWriter(pipe);
    if (writer !== null) return writer;
    throw new VarveError("database-unavailable", "the guard of Postgres did not start");
  } finally {
    closeSync(both);
  }
}

/** A hold on the server: as long as one process has one, the server runs. */
export type Hold = {
  /** Whether nobody guarded the server: if it runs, it may be about to stop. */
  readonly first: boolean;
  /** Further calls give the first one's promise. */
  readonly release: () => Promise<void>;
};

/**
 * Takes a hold on the cluster's server, before or after it is started. `release` gives it back and
 * waits until the server has stopped, unless another process still holds it.
 */
export async function hold(guarded: Guarded): Promise<Hold> {
  const pipe = join(guarded.cluster, "varve.hold");
  await run(guarded.account, "mkfifo", ["-m", "600", pipe]);
  const joined = openWriter(pipe);
  const writer = joined ?? (await startGuard(guarded, pipe));
  const release = async (): Promise<void> => {
    const other = openWriter(pipe) ?? (await startGuard(guarded, pipe));
    closeSync(other);
    closeSync(writer);
    await stopped(guarded.cluster);
    if (guarded.temporary) await removed(guarded.cluster);
  };
  let releasing: Promise<void> | undefined;
  return {
    first: joined === null,
    // A second call must not close the number again: it may be somebody else's file by then.
    release: () => (releasing ??= release()),
  };
}

/** The guard needs milliseconds to begin; after this, somebody else must hold the server. */
const beginMs = 2_000;
/** The guard's own patience: 20 s for a fast stop and 10 s for an immediate one. */
const stopMs = 31_000;

async function stopped(cluster: string): Promise<void> {
  const start = Date.now();
  for (;;) {
    const lock = await readLock(cluster);
    if (lock === null || !(await serves(lock.pid, cluster))) return;
    const waitedMs = Date.now() - start;
    if (lock.status !== "stopping" && waitedMs > beginMs) return;
    if (waitedMs > stopMs) {
      throw new VarveError("database-unavailable", `the Postgres in ${cluster} does not stop`);
    }
    await sleep(5);
  }
}

/** The guard removes a temporary cluster; what it has no right to remove is left to us. */
async function removed(cluster: string): Promise<void> {
  const deadline = Date.now() + beginMs;
  while (existsSync(cluster) && Date.now() < deadline) await sleep(5);
  await rm(cluster, { recursive: true, force: true });
}
