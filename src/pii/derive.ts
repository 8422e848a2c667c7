import { limits } from "#kernel/limits.ts";

import { concat, toHex, utf8 } from "./bytes.ts";
import type { Bytes } from "./bytes.ts";

type Derivation = { readonly salt: Bytes; readonly info: string; readonly length: number };

/** HKDF-SHA-256 (RFC 5869), `length` bytes. */
export async function hkdf(root: Bytes, { salt, info, length }: Derivation): Promise<Bytes> {
  const key = await crypto.subtle.importKey("raw", root, "HKDF", false, ["deriveBits"]);
  const algorithm = { name: "HKDF", hash: "SHA-256", salt, info: utf8(info) };
  return new Uint8Array(await crypto.subtle.deriveBits(algorithm, key, length * 8));
}

const hmacKeys = new WeakMap<Bytes, Map<string, Promise<CryptoKey>>>();

async function deriveHmacKey(root: Bytes, salt: Bytes, info: string): Promise<CryptoKey> {
  // Bits, then import: deriveKey would make a key of 64 bytes, the block size of SHA-256.
  const raw = await hkdf(root, { salt, info, length: 32 });
  return crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
}

/** Derived once for each root (the same array), salt and info: a derivation is most of the cost. */
function hmacKey(root: Bytes, salt: Bytes, info: string): Promise<CryptoKey> {
  const known = hmacKeys.get(root) ?? new Map<string, Promise<CryptoKey>>();
  hmacKeys.set(root, known);
  const name = `${toHex(salt)} ${info}`;
  const held = known.get(name);
  if (held !== undefined) return held;
  if (known.size >= limits.keyCacheEntries) known.clear();
  const derived = deriveHmacKey(root, salt, info);
  known.set(name, derived);
  return derived;
}

/** HMAC-SHA-256 under a key that is derived from the root for this salt and info alone. */
export async function derivedHmac(
  root: Bytes,
  { salt, info }: { readonly salt: Bytes; readonly info: string },
  ...message: readonly Uint8Array[]
): Promise<Bytes> {
  const key = await hmacKey(root, salt, info);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, concat(...message)));
}
