import { invariant } from "#kernel/errors.ts";

import { importCipherKey } from "./aead.ts";
import { uuidBytes } from "./bytes.ts";
import type { Bytes } from "./bytes.ts";
import { hkdf } from "./derive.ts";

/** Bytes of a data key before derivation, of a root key, and of a derived encryption key. */
export const keyBytes = 32;

/** Bytes of the commitment in each sealed value. */
export const commitmentBytes = 16;

/**
 * The key of one subject, ready for use. `keyId` is a UUID in lower case. The commitment stands in
 * every value sealed under the key: AES-GCM alone lets one ciphertext open under two keys.
 */
export type DataKey = {
  readonly keyId: string;
  readonly encryption: CryptoKey;
  readonly commitment: Bytes;
};

/** The data key of 32 secret bytes. The encryption key cannot be read back from it. */
export async function deriveDataKey(keyId: string, dekBytes: Bytes): Promise<DataKey> {
  invariant(dekBytes.length === keyBytes, "a data key must be 32 bytes");
  const okm = await hkdf(dekBytes, {
    salt: uuidBytes(keyId),
    info: "es-pii/v1/subject-key",
    length: keyBytes + commitmentBytes,
  });
  const encryption = await importCipherKey(okm.subarray(0, keyBytes));
  return { keyId, encryption, commitment: okm.slice(keyBytes) };
}
