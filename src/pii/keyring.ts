// What it is: the way from a person to the key of that person, and from a key id in a sealed value
// to the key that opens it. A master key from the environment wraps one data key for each subject;
// the wrapped keys are rows of the store.
//
// What it promises: a subject has one key even when many first writers race over many processes,
// because the store decides which claim won and everybody uses the winner. A key is unwrapped from
// its stored form before anything is sealed under it. What is held in memory is held for at most
// `limits.keyCacheMs`, and a key that is wanted many times at once is read once. An unreadable key
// fails those who asked for it and nobody who asked at the same time for another.
//
// What it relies on: the store's one active key a subject and its fences, the master keys staying
// the same bytes under the same id (`verify` refuses others), and the lookup key never changing.
//
// How it fails:
//   subject-erased       the subject is fenced: no key for it, old or new
//   key-missing          a value names a key without a row and without a tombstone; nobody may mint
//                        a new key for it, a person has to look
//   master-key-unknown   the row is under a master key that this process was not given; during a
//                        roll-out another try helps, and it is never taken for an erasure
//   sealed-value-…       the row itself was edited or moved
//   and whatever the store throws.
//
// What it does not do: it opens no values, erases nobody and rewraps nothing. It does not notice
// an erasure by another process before its entry has expired; the append's own fence does.

import type { Clock } from "#kernel/clock.ts";
import { VarveError } from "#kernel/errors.ts";
import { accept, refuse } from "#kernel/result.ts";

import { blindIndex } from "./blind-index.ts";
import type { IndexedValue } from "./blind-index.ts";
import { toHex } from "./bytes.ts";
import type { Bytes } from "./bytes.ts";
import { mapInChunks } from "./chunks.ts";
import type { DataKey } from "./data-key.ts";
import { defaultTenant } from "./envelope.ts";
import { fingerprint, subjectHash } from "./hash.ts";
import { createKeyCache } from "./key-cache.ts";
import type { Outcome } from "./key-cache.ts";
import type { MasterKeys } from "./master-keys.ts";
import { createRing, keyMissing, newKey, openRow } from "./ring.ts";
import type { Ring } from "./ring.ts";
import { checkRing } from "./start-check.ts";
import type { SubjectKeyRow, SubjectKeyStore } from "./subject-key-store.ts";

export type KeyringOptions = {
  readonly masterKeys: MasterKeys;
  readonly lookupKey: Bytes;
  readonly indexKey: Bytes;
  readonly store: SubjectKeyStore;
  readonly clock: Clock;
  readonly tenant?: string;
};

export type Keyring = {
  readonly tenant: string;
  /**
   * The active key of each subject, made where there is none. Throws VarveError "subject-erased",
   * and then no key of the call was handed out. Safe to repeat.
   */
  readonly keysForSubjects: (subjectIds: readonly string[]) => Promise<Map<string, DataKey>>;
  /** The key of each id, or `"erased"` for a shredded one. Throws as the head of the file says. */
  readonly keysById: (keyIds: readonly string[]) => Promise<Map<string, DataKey | "erased">>;
  /** The hash under which rows, fences and audit entries know the subject. */
  readonly subjectHash: (subjectId: string) => Promise<Bytes>;
  /** A keyed hash by which equal texts of any length are recognised, for one purpose. */
  readonly fingerprint: (purpose: string, text: string) => Promise<string>;
  /** As `blindIndex`, with this ring's index key and tenant. */
  readonly blindIndex: (value: IndexedValue) => Promise<Bytes | undefined>;
  /** The check at the start. Throws VarveError "configuration-invalid". */
  readonly verify: () => Promise<void>;
};

type Loaded<Value> = Promise<ReadonlyMap<string, Outcome<Value>>>;

async function loadById(
  ring: Ring,
  store: SubjectKeyStore,
  keyIds: readonly string[],
): Loaded<DataKey | "erased"> {
  const rows = new Map((await store.keysById(keyIds)).map((row) => [row.keyId, row]));
  const outcomes = await mapInChunks(keyIds, async (keyId) => {
    const row = rows.get(keyId);
    const outcome = row === undefined ? refuse(keyMissing(keyId)) : await openRow(ring, row);
    return [keyId, outcome] as const;
  });
  return new Map(outcomes);
}

/** The active row of each subject by its hash in hexadecimal; none for a fenced subject. */
async function activeRows(
  ring: Ring,
  store: SubjectKeyStore,
  hashes: readonly Bytes[],
): Promise<ReadonlyMap<string, SubjectKeyRow>> {
  const found = await store.activeKeys(hashes);
  const rows = new Map(found.map((row) => [toHex(row.subjectHash), row]));
  const without = hashes.filter((hash) => !rows.has(toHex(hash)));
  if (without.length === 0) return rows;
  const offered = await mapInChunks(without, (hash) => newKey(ring, hash));
  for (const row of await store.claimKeys(offered)) rows.set(toHex(row.subjectHash), row);
  return rows;
}

const subjectErased = (hash: string): VarveError =>
  new VarveError("subject-erased", "The subject was erased.", { subjectHash: hash });

/** The key of an active row, or of none, which is what a fenced subject has. */
async function openActive(
  ring: Ring,
  row: SubjectKeyRow | undefined,
  hash: string,
): Promise<Outcome<DataKey>> {
  if (row === undefined) return refuse(subjectErased(hash));
  const outcome = await openRow(ring, row);
  if (!outcome.ok) return outcome;
  return outcome.value === "erased" ? refuse(subjectErased(hash)) : accept(outcome.value);
}

/** A keyring over the store. Reads nothing until it is asked for something. */
export async function createKeyring(options: KeyringOptions): Promise<Keyring> {
  const { store, clock, lookupKey, indexKey, tenant = defaultTenant } = options;
  const ring = await createRing(options.masterKeys, tenant);
  const hashOf = (subjectId: string): Promise<Bytes> =>
    subjectHash({ lookupKey, tenant }, subjectId);

  const keys = createKeyCache<DataKey | "erased">({
    clock,
    load: (keyIds) => loadById(ring, store, keyIds),
  });

  async function loadForSubjects(subjectIds: readonly string[]): Loaded<DataKey> {
    const readAt = clock();
    const hashes = await mapInChunks(subjectIds, hashOf);
    const rows = await activeRows(ring, store, hashes);
    const outcomes = await mapInChunks(hashes.map(toHex), (hash) =>
      openActive(ring, rows.get(hash), hash),
    );
    // Whoever writes a value is likely to read it next.
    for (const { value: key } of outcomes.filter((outcome) => outcome.ok)) {
      keys.hold(key.keyId, key, readAt);
    }
    return new Map(subjectIds.map((id, index) => [id, outcomes[index] as Outcome<DataKey>]));
  }

  const subjects = createKeyCache<DataKey>({ clock, load: loadForSubjects });
  return {
    tenant,
    keysForSubjects: subjects.getMany,
    keysById: keys.getMany,
    subjectHash: hashOf,
    fingerprint: (purpose, text) => fingerprint(lookupKey, purpose, text),
    blindIndex: (value) => blindIndex({ indexKey, tenant }, value),
    verify: () => checkRing(ring.byId, store),
  };
}
