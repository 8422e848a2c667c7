import { monotonicMs } from "#kernel/clock.ts";
import { VarveError } from "#kernel/errors.ts";
import { createKeyring, type Keyring } from "#pii/keyring.ts";
import { defaultTenant } from "#pii/envelope.ts";
import { parseMasterKeys, parseRootKey } from "#pii/master-keys.ts";
import type { Result } from "#kernel/result.ts";
import type { Pool } from "#store/pool.ts";
import { subjectKeyStore } from "#store/subject-keys.ts";

import type { KeyTexts } from "./config.ts";

function parsed<Value>(
  variable: string,
  text: string | undefined,
  parse: (text: string) => Result<Value, readonly string[]>,
): Value {
  const result = parse(text ?? "");
  if (result.ok) return result.value;
  throw new VarveError("configuration-invalid", `${variable}: ${result.error.join("; ")}`);
}

type KeyStore = ReturnType<typeof subjectKeyStore>;

async function checkedKeyring(keys: KeyTexts, store: KeyStore): Promise<Keyring> {
  const keyring = await createKeyring({
    masterKeys: parsed("PII_MASTER_KEYS", keys.masterKeys, parseMasterKeys),
    lookupKey: parsed("PII_LOOKUP_KEY", keys.lookupKey, parseRootKey),
    indexKey: parsed("PII_INDEX_KEY", keys.indexKey, parseRootKey),
    store,
    clock: monotonicMs,
  });
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
