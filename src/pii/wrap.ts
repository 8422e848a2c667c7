import { invariant, VarveError } from "#kernel/errors.ts";

import { importCipherKey, nonceBytes, randomBytes } from "./aead.ts";
import { utf8 } from "./bytes.ts";
import type { Bytes } from "./bytes.ts";
import { keyBytes } from "./data-key.ts";
import { hkdf } from "./derive.ts";
import { isKeyBlock, openKeyBlock, sealKeyBlock } from "./key-block.ts";
import type { Kek, KeyPlace } from "./key-block.ts";

/** The key that wraps data keys under a master key. It cannot be read back. */
export async function deriveKek(kekId: string, root: Bytes): Promise<Kek> {
  const raw = await hkdf(root, { salt: utf8(kekId), info: "es-pii/v1/kek", length: keyBytes });
  return { kekId, key: await importCipherKey(raw) };
}

/** A data key as it is stored: 62 bytes, different at every call. */
export function wrapKey(kek: Kek, place: KeyPlace, dek: Bytes): Promise<Bytes> {
  invariant(dek.length === keyBytes, "a data key must be 32 bytes");
  return sealKeyBlock(kek, place, { dek, nonce: randomBytes(nonceBytes) });
}

/**
 * The 32 bytes of a wrapped data key. Throws VarveError "sealed-value-malformed" for bytes that are
 * no wrapped key and "sealed-value-tampered" for those of another subject, key id, tenant or master
 * key, or edited ones.
 */
export async function unwrapKey(kek: Kek, place: KeyPlace, wrapped: Uint8Array): Promise<Bytes> {
  const context = { keyId: place.keyId, kekId: kek.kekId };
  if (!isKeyBlock(wrapped)) {
    throw new VarveError("sealed-value-malformed", "A wrapped key is not readable.", context);
  }
  const dek = await openKeyBlock(kek, place, Uint8Array.from(wrapped));
  if (dek !== undefined) return dek;
  throw new VarveError("sealed-value-tampered", "A wrapped key was edited or moved.", context);
}
