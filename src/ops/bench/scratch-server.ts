import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { startEmbeddedPostgres } from "#ops/embedded-postgres.ts";
import { migrate } from "#store/migrate.ts";
import { openPool } from "#store/pool.ts";

const admin = { size: 1, applicationName: "varve bench", prepare: false } as const;
const timeouts = { statementTimeoutMs: 60_000, acquireTimeoutMs: 60_000 } as const;

/** A server on which databases may be made. */
export type ScratchServer = {
  /** Runs the work on a new migrated database for each name; dropped however it ends. */
  readonly withDatabases: <Name extends string, Value>(
    names: readonly Name[],
    work: (urls: Readonly<Record<Name, string>>) => Promise<Value>,
  ) => Promise<Value>;
};

async function run(url: string, text: string): Promise<void> {
  const pool = openPool({ url, ...admin, ...timeouts });
  try {
    await pool.query({ name: "bench", text }, []);
  } finally {
    await pool.close(1_000);
  }
}

/** A durable embedded server of its own, ended and removed afterwards. */
async function withOwnServer<Value>(work: (url: string) => Promise<Value>): Promise<Value> {
  const folder = await mkdtemp(join(tmpdir(), "varve-bench-"));
  try {
    const directory = join(folder, "postgres");
    const server = await startEmbeddedPostgres({ directory, durable: true, temporary: true });
    try {
      return await work(server.url);
    } finally {
      await server.stop();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A database of the server that nobody has. */
function databaseOf(serverUrl: string): { readonly name: string; readonly url: string } {
  const name = `varve_bench_${crypto.randomUUID().slice(0, 8)}`;
  const scratch = new URL(serverUrl);
  scratch.pathname = `/${name}`;
  return { name, url: scratch.href };
}

/** The work's end, or the signal: whatever then still runs loses its database under its feet. */
function unlessAborted<Value>(signal: AbortSignal, work: () => Promise<Value>): Promise<Value> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort);
  const ended = Promise.race([work(), aborted.promise]);
  return ended.finally(() => signal.removeEventListener("abort", abort));
}

/**
 * Runs the work with the server of `url`, or without one with a durable embedded server that is
 * made for it. A measurement never touches a log that is somebody's. When the signal fires, it
 * rejects with the signal's reason, as soon as what was made is gone.
 */
export function withScratchServer<Value>(
  url: string | undefined,
  signal: AbortSignal,
  work: (server: ScratchServer) => Promise<Value>,
): Promise<Value> {
  const onServer = (serverUrl: string): Promise<Value> =>
    work({
      withDatabases: async (names, use) => {
        const scratch = names.map(() => databaseOf(serverUrl));
        try {
          for (const { name, url: made } of scratch) {
            signal.throwIfAborted();
            await run(serverUrl, `create database ${name}`);
            await migrate({ url: made });
          }
          const urls = Object.fromEntries(names.map((name, at) => [name, scratch[at]?.url]));
          return await unlessAborted(signal, () => use(urls as Record<(typeof names)[0], string>));
        } finally {
          for (const { name } of scratch) {
            await run(serverUrl, `drop database if exists ${name} with (force)`);
          }
        }
      },
    });
  return url === undefined ? withOwnServer(onServer) : onServer(url);
}
