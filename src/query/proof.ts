import type { Pool } from "#store/pool.ts";
import { readProof, type StoredProof } from "#store/proofs.ts";

/** The proof of a subscription, over all its partitions, on whatever instance they are. */
export type Proof = Omit<StoredProof, "complete"> & {
  readonly name: string;
  /**
   * False where any fault stands or a checkpoint is gone; null where a partition was not compared
   * yet; else true.
   */
  readonly agrees: boolean | null;
};

export type ProofReader = {
  /** Undefined where there is no subscription of that name. */
  readonly read: (name: string) => Promise<Proof | undefined>;
};

function agreement({ complete, partitions, faults }: StoredProof): boolean | null {
  const all = partitions.map(({ agrees }) => agrees);
  if (!complete || faults.length > 0 || all.includes(false)) return false;
  return all.includes(null) ? null : true;
}

/** Makes the reader. */
export const createProofReader = (pool: Pool): ProofReader => ({
  read: async (name) => {
    const stored = await readProof(pool, name);
    if (stored === undefined) return undefined;
    const { partitions, faults } = stored;
    return { name, agrees: agreement(stored), partitions, faults };
  },
});
