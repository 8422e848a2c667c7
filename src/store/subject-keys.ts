import type { Pool, Row } from "./pool.ts";
import { queries } from "./statements.ts";

/** A wrapped data key. `wrapped` is null once it is shredded. */
export type StoredKey = {
  readonly keyId: string;
  readonly subjectHash: Uint8Array;
  readonly wrapped: Uint8Array | null;
  readonly kekId: string;
  readonly status: "active" | "retired" | "shredded";
};

type NewKey = {
  readonly keyId: string;
  readonly subjectHash: Uint8Array;
  readonly wrapped: Uint8Array;
  readonly kekId: string;
};

type KeyRow = Row & {
  readonly key_id: string;
  readonly subject_hash: string;
  readonly wrapped: string | null;
  readonly kek_id: string;
  readonly status: StoredKey["status"];
};

const keyOf = (row: KeyRow): StoredKey => ({
  keyId: row.key_id,
  subjectHash: Uint8Array.fromHex(row.subject_hash),
  wrapped: row.wrapped === null ? null : Uint8Array.fromHex(row.wrapped),
  kekId: row.kek_id,
  status: row.status,
});

/** The key rows of one tenant, in the shape that `pii/` asks for. Throws what the pool throws. */
export function subjectKeyStore(pool: Pool, tenant: string) {
  return {
    activeKeys: async (subjectHashes: readonly Uint8Array[]): Promise<readonly StoredKey[]> => {
      const hashes = JSON.stringify(subjectHashes.map((hash) => hash.toHex()));
      return (await pool.query<KeyRow>(queries.findActiveKeys, [tenant, hashes])).map(keyOf);
    },
    claimKeys: async (rows: readonly NewKey[]): Promise<readonly StoredKey[]> => {
      const keys = rows.map((row) => ({
        keyId: row.keyId,
        tenant,
        subjectHash: row.subjectHash.toHex(),
        wrapped: row.wrapped.toHex(),
        kekId: row.kekId,
      }));
      const claimed = await pool.query<KeyRow>(queries.claimSubjectKeys, [JSON.stringify(keys)]);
      return claimed.map(keyOf);
    },
    keysById: async (keyIds: readonly string[]): Promise<readonly StoredKey[]> =>
      (await pool.query<KeyRow>(queries.findKeys, [JSON.stringify(keyIds)])).map(keyOf),
    livingKekIds: async (): Promise<readonly string[]> =>
      (await pool.query<{ kek_id: string }>(queries.listKekIds, [])).map((row) => row.kek_id),
    canaries: async () => {
      const rows = await pool.query<{ kek_id: string; wrapped: string }>(queries.listCanaries, []);
      return rows.map((row) => ({
        kekId: row.kek_id,
        wrapped: Uint8Array.fromHex(row.wrapped),
      }));
    },
    claimCanary: async (kekId: string, wrapped: Uint8Array): Promise<void> => {
      await pool.query(queries.claimCanary, [kekId, wrapped.toHex()]);
    },
  };
}
