import { createHash, randomBytes } from "node:crypto";
import { chown, mkdir, readFile, readdir, realpath } from "node:fs/promises";
import { rename, rm, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

import { VarveError } from "#kernel/errors.ts";

import { mayEnter, run } from "./account.ts";
import type { Account } from "./account.ts";
import { sharedFolder } from "./binaries.ts";
import type { Binaries } from "./binaries.ts";
import { findRunning, isAlive } from "./server.ts";

/** The name of the superuser of an embedded cluster. */
export const superuser = "postgres";

const passwordFile = "varve.password";

/** The password of the cluster's superuser, readable by the server's account and by root only. */
export const readPassword = (directory: string): Promise<string> =>
  readFile(join(directory, passwordFile), "utf8");

const resolved = (path: string): Promise<string | null> => realpath(path).catch(() => null);

/**
 * Where the cluster of `directory` really is: there, or behind a link in root's shared place when
 * the server's account cannot get there (a project in a home of mode 0700). A folder there that no
 * link points at belongs to a `.varve/` that was deleted, and is deleted too.
 */
async function place(account: Account, directory: string): Promise<string> {
  const parent = dirname(directory);
  await mkdir(parent, { recursive: true });
  const linked = await resolved(directory);
  if (linked !== null && (await mayEnter(account, linked))) return linked;
  const home = await realpath(parent);
  if (await mayEnter(account, home)) return join(home, basename(directory));
  const name = createHash("sha256")
    .update(join(home, basename(directory)))
    .digest("hex");
  const target = join(sharedFolder, name.slice(0, 16));
  if ((await findRunning(target)) !== null) {
    const message = `a Postgres runs in ${target}, but ${directory} is gone: stop it first`;
    throw new VarveError("configuration-invalid", message);
  }
  await mkdir(sharedFolder, { recursive: true, mode: 0o755 });
  await rm(target, { recursive: true, force: true });
  await rm(directory, { force: true });
  await symlink(target, directory);
  return target;
}

/** Removes what an interrupted `initialise` of a process that is gone left behind. */
async function removeDrafts(directory: string): Promise<void> {
  const prefix = `${basename(directory)}.draft-`;
  for (const name of await readdir(dirname(directory))) {
    if (!name.startsWith(prefix) || isAlive(Number(name.slice(prefix.length)))) continue;
    await rm(join(dirname(directory), name), { recursive: true, force: true });
  }
}

async function initdb(account: Account, binaries: Binaries, draft: string): Promise<void> {
  const password = join(draft, "password");
  const cluster = join(draft, "cluster");
  await mkdir(cluster, { recursive: true, mode: 0o700 });
  await writeFile(password, randomBytes(24).toString("base64url"), { mode: 0o600 });
  if (account !== null) {
    for (const path of [draft, cluster, password]) await chown(path, account.uid, account.gid);
  }
  const { code, output } = await run(account, binaries.initdb, [
    `--pgdata=${cluster}`,
    `--username=${superuser}`,
    `--pwfile=${password}`,
    "--auth=scram-sha-256",
    // The same order of text and the same messages on every machine.
    "--locale=C",
    "--encoding=UTF8",
    // A crash of the machine during these 0.5 s costs an empty cluster; waiting costs seconds.
    "--no-sync",
    "--no-instructions",
  ]);
  if (code !== 0) throw await initdbError(account, output);
  await rename(password, join(cluster, passwordFile));
}

async function initdbError(account: Account, output: string): Promise<VarveError> {
  if ((await run(account, "id", ["-un"])).code !== 0) {
    const uid = account?.uid ?? process.getuid?.();
    const message = `user id ${uid} has no entry in the list of users, which Postgres needs: run as another user, or set DATABASE_URL`;
    return new VarveError("configuration-invalid", message);
  }
  return new VarveError("database-unavailable", "initdb failed", { output: output.slice(-1_000) });
}

/**
 * The real path of a cluster that is there and initialised. Many at once are safe: each makes a
 * draft, the first rename wins. Throws VarveError "configuration-invalid" for a user without a
 * name, "database-unavailable" if initdb fails.
 */
export async function ensureCluster(
  account: Account,
  binaries: Binaries,
  directory: string,
): Promise<string> {
  const cluster = await place(account, directory);
  if ((await readPassword(cluster).catch(() => null)) !== null) return cluster;
  await removeDrafts(cluster);
  const draft = `${cluster}.draft-${process.pid}`;
  try {
    await initdb(account, binaries, draft);
    await rename(join(draft, "cluster"), cluster).catch(async (error: unknown) => {
      if ((await readPassword(cluster).catch(() => null)) === null) throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return cluster;
}
