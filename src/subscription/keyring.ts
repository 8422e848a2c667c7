import { monotonicMs } from "#kernel/clock.ts";
import { VarveError } from "#kernel/errors.ts";
import type { Result } from "#kernel/result.ts";
import { createKeyring, type Keyring } from "#pii/keyring.ts";
import { parseMasterKeys, parseRootKey } from "#pii/master-keys.ts";
import type { SubjectKeyStore } from "#pii/subject-key-store.ts";

/** Key material as text of the right shape. */
export type KeyringTexts = {
  readonly masterKeys: string | undefined;
  readonly indexKey: string | undefined;
  readonly lookupKey: string | undefined;
};

function parsed<Value>(
  variable: string,
  text: string | undefined,
  parse: (text: string) => Result<Value, readonly string[]>,
): Value {
  const result = parse(text ?? "");
  if (result.ok) return result.value;
  throw new VarveError("configuration-invalid", `${variable}: ${result.error.join("; ")}`);
}

/** The keyring of the texts. Throws `configuration-invalid` for one that is no key. */
export const keyringOf = (keys: KeyringTexts, store: SubjectKeyStore): Promise<Keyring> =>
  createKeyring({
    masterKeys: parsed("PII_MASTER_KEYS", keys.masterKeys, parseMasterKeys),
    lookupKey: parsed("PII_LOOKUP_KEY", keys.lookupKey, parseRootKey),
    indexKey: parsed("PII_INDEX_KEY", keys.indexKey, parseRootKey),
    store,
    clock: monotonicMs,
  });
