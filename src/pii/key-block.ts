import { decrypt, encrypt, nonceBytes, tagBytes } from "./aead.ts";
import { concat, lp, utf8, uuidBytes } from "./bytes.ts";
import type { Bytes } from "./bytes.ts";
import { keyBytes } from "./data-key.ts";

// The layout of a wrapped data key: `0x01 ‖ 0x01 ‖ nonce 12 ‖ AES-256-GCM(KEK, DEK) ‖ tag`, 62
// bytes. Only wrap.ts may import this file, because wrapping takes a nonce here.

const start = Uint8Array.of(1, 1);
const cipherAt = start.length + nonceBytes;

/** Bytes of a wrapped data key. */
export const wrappedBytes = cipherAt + keyBytes + tagBytes;

/** Whose key it is. A wrapped key opens for its own subject and under its own id alone. */
export type KeyPlace = {
  readonly tenant: string;
  readonly subjectHash: Uint8Array;
  readonly keyId: string;
};

/** Wraps everything that is wrapped with it; `kekId` is the id of the root it was derived from. */
export type Kek = { readonly kekId: string; readonly key: CryptoKey };

const boundBytes = (kekId: string, { tenant, subjectHash, keyId }: KeyPlace): Bytes =>
  concat(utf8("es-pii/v1/wrap"), lp(kekId), lp(tenant), subjectHash, uuidBytes(keyId));

/** The wrapped form of a data key. The nonce must never have been used with this KEK before. */
export async function sealKeyBlock(
  kek: Kek,
  place: KeyPlace,
  { dek, nonce }: { readonly dek: Bytes; readonly nonce: Bytes },
): Promise<Bytes> {
  const bound = boundBytes(kek.kekId, place);
  return concat(start, nonce, await encrypt({ key: kek.key, nonce, bound }, dek));
}

/** Whether length and first bytes are those of a wrapped key that this version can read. */
export const isKeyBlock = (wrapped: Uint8Array): boolean =>
  wrapped.length === wrappedBytes && wrapped[0] === start[0] && wrapped[1] === start[1];

/** The data key, or undefined if KEK, place or bytes are not those it was wrapped with. */
export function openKeyBlock(
  kek: Kek,
  place: KeyPlace,
  wrapped: Bytes,
): Promise<Bytes | undefined> {
  const nonce = wrapped.subarray(start.length, cipherAt);
  const bound = boundBytes(kek.kekId, place);
  return decrypt({ key: kek.key, nonce, bound }, wrapped.subarray(cipherAt));
}
