import { VarveError } from "#kernel/errors.ts";
import { openPool, type Pool, type PoolOptions } from "#store/pool.ts";

import type { DatabaseConfig } from "./config.ts";

/** What a driver is told of TLS; undefined leaves it to the URL's `sslmode`. */
function tlsOf({ ssl, sslCa }: DatabaseConfig): PoolOptions["ssl"] {
  if (ssl === undefined) return undefined;
  if (ssl === "disable") return false;
  if (ssl === "require") return { rejectUnauthorized: false };
  return { rejectUnauthorized: true, ...(sslCa === undefined ? {} : { ca: sslCa }) };
}

/** Where migrations run. Throws `configuration-invalid` where there is no database. */
export function migrationTarget(database: DatabaseConfig): Pick<PoolOptions, "url" | "ssl"> {
  const url = database.directUrl;
  if (url === undefined) {
    throw new VarveError("configuration-invalid", "DATABASE_URL is not set");
  }
  const ssl = tlsOf(database);
  return ssl === undefined ? { url } : { url, ssl };
}

/** The options of one pool of this process. Throws as `migrationTarget`. */
export function poolOptions(
  database: DatabaseConfig,
  use: { readonly name: string; readonly size: number },
): PoolOptions {
  if (database.url === undefined) {
    throw new VarveError("configuration-invalid", "DATABASE_URL is not set");
  }
  return {
    ...migrationTarget(database),
    url: database.url,
    size: use.size,
    applicationName: `varve ${use.name}`,
    statementTimeoutMs: database.statementTimeoutMs,
    acquireTimeoutMs: database.poolTimeoutMs,
    prepare: database.prepare,
  };
}

/** Runs a verb's work on a small pool of its own, closed afterwards. */
export async function withPool<Value>(
  database: DatabaseConfig,
  use: { readonly name: string; readonly size: number },
  work: (pool: Pool) => Promise<Value>,
): Promise<Value> {
  const pool = openPool(poolOptions(database, use));
  try {
    return await work(pool);
  } finally {
    await pool.close(1_000);
  }
}
