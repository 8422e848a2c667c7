import type { Bytes } from "./bytes.ts";

/** AES-256-GCM with a 96-bit nonce and a 128-bit tag (NIST SP 800-38D). */
export const nonceBytes = 12;
export const tagBytes = 16;

/** Unpredictable bytes from the platform's generator. */
export const randomBytes = (length: number): Bytes =>
  crypto.getRandomValues(new Uint8Array(length));

/** A key that encrypts and decrypts and can never be read back. */
export const importCipherKey = (raw: Bytes): Promise<CryptoKey> =>
  crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]);

export type AeadInput = { readonly key: CryptoKey; readonly nonce: Bytes; readonly bound: Bytes };

/** Ciphertext ‖ tag. `bound` is authenticated and not stored. */
export async function encrypt({ key, nonce, bound }: AeadInput, plain: Bytes): Promise<Bytes> {
  const algorithm = { name: "AES-GCM", iv: nonce, additionalData: bound, tagLength: tagBytes * 8 };
  return new Uint8Array(await crypto.subtle.encrypt(algorithm, key, plain));
}

/** The plain bytes, or undefined if key, nonce, bound bytes or ciphertext are not as they were. */
export async function decrypt(
  { key, nonce, bound }: AeadInput,
  cipher: Bytes,
): Promise<Bytes | undefined> {
  const algorithm = { name: "AES-GCM", iv: nonce, additionalData: bound, tagLength: tagBytes * 8 };
  try {
    return new Uint8Array(await crypto.subtle.decrypt(algorithm, key, cipher));
  } catch (error) {
    // Web Crypto says OperationError for a tag that does not fit; anything else is a bug of ours.
    if (error instanceof Error && error.name === "OperationError") return undefined;
    throw error;
  }
}
