import type { ViewTable } from "./documents.ts";
import type { Pool } from "./pool.ts";
import { queries } from "./statements.ts";

/** The right to write for one subscription, and where its checkpoint is. */
export type Lease = {
  readonly subscription: string;
  readonly epoch: number;
  readonly position: number;
};

/**
 * Takes or renews leases; answers with those held now. Another owner's are left alone, and a view
 * of which another version serves is held by nobody who asks for this one.
 */
export async function acquireLeases(
  pool: Pool,
  owner: string,
  views: readonly Pick<ViewTable, "name" | "version">[],
  durationMs: number,
): Promise<readonly Lease[]> {
  return pool.query<Lease>(queries.acquireLeases, [
    owner,
    JSON.stringify(views.map(({ name, version }) => ({ name, version }))),
    durationMs,
  ]);
}

/** Ends all leases of the owner, so that another instance can go on at once. */
export async function releaseLeases(pool: Pool, owner: string): Promise<void> {
  await pool.query(queries.releaseLeases, [owner]);
}
