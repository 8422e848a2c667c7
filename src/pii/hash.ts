import { lp, toHex } from "./bytes.ts";
import type { Bytes } from "./bytes.ts";
import { derivedHmac } from "./derive.ts";

const noSalt = new Uint8Array(0);

/**
 * A keyed hash of a value, 64 hexadecimal digits. The purpose separates uses: hashes of one value
 * for two purposes cannot be linked without the root key. Never a bare hash, which a list of
 * likely values (names, numbers, addresses) would reverse.
 */
export async function hashField(root: Bytes, purpose: string, value: string): Promise<string> {
  const info = `es-pii/v1/hash\0${purpose}`;
  return toHex(await derivedHmac(root, { salt: noSalt, info }, lp(value)));
}

/** `hashField` of a text of any length: it is hashed first, then keyed. */
export async function fingerprint(root: Bytes, purpose: string, text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return hashField(root, purpose, toHex(new Uint8Array(digest)));
}

/** Who asks about a subject, under which lookup key. */
export type SubjectScope = { readonly lookupKey: Bytes; readonly tenant: string };

/** The 32 bytes by which key rows, fences and the audit log know a subject. */
export function subjectHash(
  { lookupKey, tenant }: SubjectScope,
  subjectId: string,
): Promise<Bytes> {
  const derivation = { salt: noSalt, info: "es-pii/v1/subject-id" };
  return derivedHmac(lookupKey, derivation, lp(tenant), lp(subjectId));
}
