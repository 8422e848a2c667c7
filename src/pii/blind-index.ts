import { invariant } from "#kernel/errors.ts";

import { utf8 } from "./bytes.ts";
import type { Bytes } from "./bytes.ts";
import { derivedHmac } from "./derive.ts";
import { emailV1 } from "./normalise.ts";

/**
 * The normal form of a value, or undefined for one that has none. A published normaliser never
 * changes, because stored indexes were made with it; another form is another name.
 */
const normalisers = { "email.v1": emailV1 } as const;

export type NormaliserId = keyof typeof normalisers;

/** Whether a name in a schema's mark is a normaliser. */
export const isNormaliser = (name: string): name is NormaliserId =>
  Object.hasOwn(normalisers, name);

/** Bits of an index for search. √X < 2^b < X/2 for X distinct values; this until X is known. */
export const searchBits = 32;

/** Bits of an index for a claim of uniqueness: two values must never share one. */
export const claimBits = 256;

export type IndexedValue = {
  /** The index as declared, such as `customer.email`. */
  readonly index: string;
  readonly normaliser: NormaliserId;
  readonly value: string;
  /** The first so many bits are kept, 1 to 256. Default `searchBits`. */
  readonly bits?: number;
};

/** The first bits of the bytes; what is left of the last byte is zero. */
function firstBits(bytes: Bytes, bits: number): Bytes {
  invariant(Number.isInteger(bits) && bits >= 1 && bits <= claimBits, "1 to 256 bits of an index");
  const kept = bytes.slice(0, Math.ceil(bits / 8));
  const last = kept.length - 1;
  kept[last] = (kept[last] ?? 0) & (0xff << (kept.length * 8 - bits));
  return kept;
}

/**
 * The bytes by which equal values of an index are found without being read: a keyed hash of the
 * normal form, cut short so that some values share it and a hit proves nothing until it has been
 * opened and compared. Undefined for a value without a normal form: nothing equals it.
 */
export async function blindIndex(
  scope: { readonly indexKey: Bytes; readonly tenant: string },
  { index, normaliser, value, bits = searchBits }: IndexedValue,
): Promise<Bytes | undefined> {
  const normal = normalisers[normaliser](value);
  if (normal === undefined) return undefined;
  const info = `es-pii/v1/bidx\0${index}#${normaliser}`;
  const salt = utf8(scope.tenant);
  return firstBits(await derivedHmac(scope.indexKey, { salt, info }, utf8(normal)), bits);
}
