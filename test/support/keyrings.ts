import { createKeyring, type Keyring } from "#pii/keyring.ts";
import { defaultTenant } from "#pii/envelope.ts";
import type { Pool } from "#store/pool.ts";
import { subjectKeyStore } from "#store/subject-keys.ts";

const bytes = (value: number) => new Uint8Array(32).fill(value);

/** A keyring over the database's rows. Master keys are given as id and the byte they consist of. */
export const openTestKeyring = (
  pool: Pool,
  masterKey: readonly [id: string, byte: number] = ["k1", 1],
): Promise<Keyring> =>
  createKeyring({
    masterKeys: [{ id: masterKey[0], root: bytes(masterKey[1]) }],
    lookupKey: bytes(2),
    indexKey: bytes(3),
    store: subjectKeyStore(pool, defaultTenant),
    clock: Date.now,
  });
