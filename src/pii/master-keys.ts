import { accept, refuse } from "#kernel/result.ts";
import type { Result } from "#kernel/result.ts";

import { fromBase64, toBase64 } from "./base64.ts";
import { sameBytes } from "./bytes.ts";
import type { Bytes } from "./bytes.ts";
import { keyBytes } from "./data-key.ts";

/** A root from which the key-encryption key of its id is derived. */
export type MasterKey = { readonly id: string; readonly root: Bytes };

/** The first is active: it wraps new keys. The others only unwrap. Never empty. */
export type MasterKeys = readonly [MasterKey, ...MasterKey[]];

/** The id goes into logs and key rows; it may hold a colon, as in `env:1`. */
const idPattern = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/;

/** Faults are sentences for the operator, by number or id: they never quote the text of a key. */
type Parsed<Value> = Result<Value, readonly string[]>;

/** The 32 bytes of a root key in base64, as `openssl rand -base64 32` writes it. */
export function parseRootKey(text: string): Parsed<Bytes> {
  const bytes = fromBase64(text.trim());
  return bytes?.length === keyBytes ? accept(bytes) : refuse([`not ${keyBytes} bytes in base64`]);
}

function parseEntry(entry: string, number: number): Parsed<MasterKey> {
  // base64 has no colon, so the last one is the border.
  const border = entry.lastIndexOf(":");
  const id = entry.slice(0, Math.max(0, border));
  if (!idPattern.test(id)) {
    return refuse([
      `key ${number}: expected id:base64, the id of A-Z a-z 0-9 . _ : - (64 at most)`,
    ]);
  }
  const root = parseRootKey(entry.slice(border + 1));
  return root.ok
    ? accept({ id, root: root.value })
    : refuse(root.error.map((fault) => `key "${id}": ${fault}`));
}

/** Faults of keys that are each well-formed. Bytes count too: destroying an id must end its epoch. */
function duplicates(keys: readonly MasterKey[]): readonly string[] {
  return keys.flatMap(({ id, root }, index) => {
    const earlier = keys.slice(0, index);
    if (earlier.some((key) => key.id === id)) return [`key "${id}": the id stands there twice`];
    const twin = earlier.find((key) => sameBytes(key.root, root));
    return twin === undefined ? [] : [`key "${id}": the same bytes as key "${twin.id}"`];
  });
}

/** The master keys of `PII_MASTER_KEYS`, `id:base64,id:base64`, or every fault in the text. */
export function parseMasterKeys(text: string): Parsed<MasterKeys> {
  const entries = text.split(",").map((entry, index) => parseEntry(entry.trim(), index + 1));
  const keys = entries.flatMap((entry) => (entry.ok ? [entry.value] : []));
  const faults = entries.flatMap((entry) => (entry.ok ? [] : entry.error));
  faults.push(...duplicates(keys));
  const [active, ...others] = keys;
  return active === undefined || faults.length > 0 ? refuse(faults) : accept([active, ...others]);
}

/** The text form that `parseMasterKeys` reads. */
export const masterKeysText = (keys: MasterKeys): string =>
  keys.map(({ id, root }) => `${id}:${toBase64(root)}`).join(",");
