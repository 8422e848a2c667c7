import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { startEmbeddedPostgres } from "#ops/embedded-postgres.ts";
import { migrate } from "#store/migrate.ts";
import { openPool } from "#store/pool.ts";

const admin = { size: 1, applicationName: "varve bench", prepare: false } as const;
const timeouts = { statementTimeoutMs: 60_000, acquireTimeoutMs: 60_000 } as const;

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
  const directory = join(await mkdtemp(join(tmpdir(), "varve-bench-")), "postgres");
  const server = await startEmbeddedPostgres({ directory, durable: true, temporary: true });
  try {
    return await work(server.url);
  } finally {
    await server.stop();
  }
}

/**
 * Runs the work on a migrated database that is made for it and dropped afterwards: on the server of
 * `url`, or without one on a durable embedded server. A measurement never touches a log that is
 * somebody's.
 */
export function withScratchDatabase<Value>(
  url: string | undefined,
  work: (url: string) => Promise<Value>,
): Promise<Value> {
  const onServer = async (serverUrl: string): Promise<Value> => {
    const name = `varve_bench_${crypto.randomUUID().slice(0, 8)}`;
    const scratch = new URL(serverUrl);
    scratch.pathname = `/${name}`;
    await run(serverUrl, `create database ${name}`);
    try {
      await migrate({ url: scratch.href });
      return await work(scratch.href);
    } finally {
      await run(serverUrl, `drop database ${name} with (force)`);
    }
  };
  return url === undefined ? withOwnServer(onServer) : onServer(url);
}
