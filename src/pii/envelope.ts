// What it is: the envelope around personal data. A JSON value goes in, a text `es1.…` comes out,
// which is all that events, state, snapshots, views and dead letters ever hold of a person.
//
// What it promises: a sealed value opens under the key of its subject, in the stream, under the
// label and as the kind it was sealed for, and nowhere else; one changed bit and it does not open.
// Every value has a random nonce of its own: nothing here takes a nonce, so none can be repeated
// by mistake. One item that does not open never fails its neighbours. No error carries plain text.
//
// What it relies on: AES-256-GCM, HKDF-SHA-256 and the random numbers of Web Crypto, the same on
// every runtime. A subject's key seals far fewer than the 2^32 values at which random 96-bit nonces
// become a risk.
//
// How it fails: three errors, never a fallback.
//   sealed-value-malformed   these are not the bytes of a sealed value that this version can read
//   sealed-value-wrong-key   it was sealed under another key than the one given
//   sealed-value-tampered    it was edited, or belongs to another stream, label, tenant or kind
// None can be repaired by trying again.
//
// What it does not do: it neither finds keys (keyring.ts) nor knows which fields are personal
// (fields.ts). It does not hide how long a value is beyond the next 32 bytes, and does not bind
// event type, version or position: the same bytes travel from event to state to view.

import { invariant, VarveError } from "#kernel/errors.ts";
import type { Sealed } from "#kernel/personal.ts";
import { refuse } from "#kernel/result.ts";
import type { Result } from "#kernel/result.ts";

import { nonceBytes, randomBytes } from "./aead.ts";
import { fromBase64url, toBase64url } from "./base64.ts";
import { blockKeyId, isBlock, openBlock, sealBlock } from "./block.ts";
import type { Kind, Place } from "./block.ts";
import type { Bytes } from "./bytes.ts";
import { mapInChunks } from "./chunks.ts";
import type { DataKey } from "./data-key.ts";

const prefix = "es1.";

/** The tenant until there are tenants. */
export const defaultTenant = "default";

/** Key and place of a value. `stream` is `aggregate type-aggregate id`, `label` as declared. */
type Item = {
  readonly key: DataKey;
  readonly stream: string;
  readonly label: string;
  /** `value` for domain data (the default), `response` for a stored answer or command. */
  readonly kind?: Kind;
  readonly tenant?: string;
};

/** `value` is anything that JSON can say; undefined or a function is a defect of the caller. */
export type SealItem = Item & { readonly value: unknown };
export type OpenItem = Item & { readonly sealed: string };

const placeOf = ({ kind = "value", tenant = defaultTenant, stream, label }: Item): Place => ({
  kind,
  tenant,
  stream,
  label,
});

async function seal(item: SealItem): Promise<Sealed> {
  const json = JSON.stringify(item.value) as string | undefined;
  invariant(json !== undefined, "only a JSON value can be sealed");
  const nonce = randomBytes(nonceBytes);
  return (prefix +
    toBase64url(await sealBlock(item.key, placeOf(item), { json, nonce }))) as Sealed;
}

/** One sealed text for each item, in order. The same value sealed twice gives two texts. */
export const sealMany = (items: readonly SealItem[]): Promise<Sealed[]> => mapInChunks(items, seal);

const malformed = (): VarveError =>
  new VarveError("sealed-value-malformed", "A sealed value is not in a readable format.");

function blockOf(sealed: string): Bytes | undefined {
  const block = sealed.startsWith(prefix) ? fromBase64url(sealed.slice(prefix.length)) : undefined;
  return block !== undefined && isBlock(block) ? block : undefined;
}

async function open(item: OpenItem): Promise<Result<unknown, VarveError>> {
  const block = blockOf(item.sealed);
  return block === undefined ? refuse(malformed()) : openBlock(item.key, placeOf(item), block);
}

/** The value of each item or its own VarveError, in order. Never rejects for a bad item. */
export const openMany = (items: readonly OpenItem[]): Promise<Result<unknown, VarveError>[]> =>
  mapInChunks(items, open);

/**
 * The id of the key that a sealed value names, without opening it. Nothing vouches for the id
 * until the value has been opened. Throws VarveError "sealed-value-malformed".
 */
export function keyIdOf(sealed: string): string {
  const block = blockOf(sealed);
  if (block === undefined) throw malformed();
  return blockKeyId(block);
}
