import { defaultTenant } from "#pii/envelope.ts";
import type { Keyring } from "#pii/keyring.ts";
import type { Pool } from "#store/pool.ts";
import { subjectKeyStore } from "#store/subject-keys.ts";
import { keyringOf } from "#subscription/keyring.ts";

import type { KeyTexts } from "./config.ts";

type KeyStore = ReturnType<typeof subjectKeyStore>;

async function checkedKeyring(keys: KeyTexts, store: KeyStore): Promise<Keyring> {
  const keyring = await keyringOf(keys, store);
  await keyring.verify();
  return keyring;
}

/**
 * The keyring of the given keys over the database's key rows, checked: every living key has its
 * master key, and the bytes are the right ones. Throws `configuration-invalid` otherwise.
 */
export const openKeyring = (keys: KeyTexts, pool: Pool): Promise<Keyring> =>
  checkedKeyring(keys, subjectKeyStore(pool, defaultTenant));

/** Throws as `openKeyring` and changes nothing: a key that is new to the database leaves no trace. */
export async function checkKeys(keys: KeyTexts, pool: Pool): Promise<void> {
  const store = subjectKeyStore(pool, defaultTenant);
  await checkedKeyring(keys, { ...store, claimCanary: () => Promise.resolve() });
}
