import { VarveError } from "#kernel/errors.ts";

import type { Pool, Row } from "./pool.ts";
import { queries } from "./statements.ts";

/**
 * Throws `configuration-invalid` where a pooler stands between this process and the server: what one
 * session has prepared is not there in the next, which shows under load only. A server names its
 * process when a session begins; a pooler makes a number up.
 */
export async function assertUnpooled(pool: Pool): Promise<void> {
  const rows = await pool.query<Row & { pid: number }>(queries.readBackend, []);
  const told = (rows as unknown as { readonly state: { readonly pid: number } }).state.pid;
  if (rows[0]?.pid === told) return;
  throw new VarveError(
    "configuration-invalid",
    "DATABASE_URL leads through a pooler: set DB_PREPARE=false",
  );
}
