import postgres from "postgres";

import { VarveError } from "#kernel/errors.ts";
import { openPool, type Pool, type PoolOptions } from "#store/pool.ts";

/** The options of a pool of a test; small enough that waiting for a connection happens. */
export const poolOptions = (url: string, changed: Partial<PoolOptions> = {}): PoolOptions => ({
  url,
  size: 3,
  applicationName: "test",
  statementTimeoutMs: 10_000,
  acquireTimeoutMs: 10_000,
  prepare: true,
  ssl: false,
  ...changed,
});

/** A pool as the service has one. To be closed by the caller. */
export const openTestPool = (url: string, changed: Partial<PoolOptions> = {}): Pool =>
  openPool(poolOptions(url, changed));

/** The superuser's own way in, past the store: for looking, and for planting what must be found. */
export const openSql = (url: string, max = 1): postgres.Sql =>
  postgres(url, {
    max,
    ssl: false,
    onnotice: () => undefined,
    connection: { TimeZone: "UTC", application_name: "test's own" },
  });

/** How a statement is lost: before the server hears of it, or with its answer. */
export type Loss = "statement" | "reply";

/** A pool whose statements are lost when the test says so, by name. */
export const losingPool = (pool: Pool, loses: (statement: string) => Loss | undefined): Pool => ({
  ...pool,
  query: async (statement, ...rest) => {
    const loss = loses(statement.name);
    const lost = new VarveError("database-unavailable", "the connection was lost", {
      statement: statement.name,
    });
    if (loss === "statement") throw lost;
    const answer = await pool.query(statement, ...rest);
    if (loss === "reply") throw lost;
    return answer as never;
  },
});
