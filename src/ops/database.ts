import { VarveError } from "#kernel/errors.ts";
import type { Logger } from "#kernel/log.ts";
import { sslModeOf, type Target, tlsOfMode } from "#store/dial.ts";
import { openPool, type Pool, type PoolOptions } from "#store/pool.ts";

import type { DatabaseConfig } from "./config.ts";

/** A database that is there, for as long as it is not released. */
export type OpenedDatabase = {
  readonly config: DatabaseConfig;
  readonly release: () => Promise<void>;
};

/**
 * The configured database, or in development without one the embedded database, which is started
 * unless it runs. Throws as `startDevelopmentDatabase`.
 */
export async function openDatabase(config: DatabaseConfig, log?: Logger): Promise<OpenedDatabase> {
  if (config.url !== undefined) return { config, release: () => Promise.resolve() };
  const { startDevelopmentDatabase } = await import("./development-database.ts");
  const { url, adopted, stop } = await startDevelopmentDatabase(log === undefined ? {} : { log });
  return {
    config: { ...config, url, directUrl: url, ssl: "disable" },
    // Whoever started it stops it, and otherwise the end of the last process that uses it.
    release: adopted ? () => Promise.resolve() : stop,
  };
}

/** Where to connect, and how. Throws `configuration-invalid` where there is no database. */
function target({ ssl, sslCa }: DatabaseConfig, url: string | undefined): Target {
  if (url === undefined) throw new VarveError("configuration-invalid", "DATABASE_URL is not set");
  return { url, ssl: tlsOfMode(ssl ?? sslModeOf(url) ?? "disable", sslCa) };
}

/** Where migrations run. Throws as `target`. */
export const migrationTarget = (config: DatabaseConfig): Target => target(config, config.directUrl);

/** The options of one pool of this process. Throws as `target`. */
export const poolOptions = (
  config: DatabaseConfig,
  use: { readonly name: string; readonly size: number },
): PoolOptions => ({
  ...target(config, config.url),
  size: use.size,
  applicationName: `varve ${use.name}`,
  statementTimeoutMs: config.statementTimeoutMs,
  acquireTimeoutMs: config.poolTimeoutMs,
  prepare: config.prepare,
});

/** Runs a verb's work on one connection of the opened database, closed afterwards. */
export async function withPool<Value>(
  config: DatabaseConfig,
  name: string,
  work: (pool: Pool) => Promise<Value>,
): Promise<Value> {
  const database = await openDatabase(config);
  const pool = openPool(poolOptions(database.config, { name, size: 1 }));
  try {
    return await work(pool);
  } finally {
    await pool.close(1_000);
    await database.release();
  }
}
