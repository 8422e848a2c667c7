import { VarveError } from "#kernel/errors.ts";
import { accept, refuse } from "#kernel/result.ts";

import { randomBytes } from "./aead.ts";
import type { Bytes } from "./bytes.ts";
import { deriveDataKey, keyBytes } from "./data-key.ts";
import type { DataKey } from "./data-key.ts";
import type { Kek, KeyPlace } from "./key-block.ts";
import type { Outcome } from "./key-cache.ts";
import type { MasterKeys } from "./master-keys.ts";
import type { NewSubjectKey, SubjectKeyRow } from "./subject-key-store.ts";
import { deriveKek, unwrapKey, wrapKey } from "./wrap.ts";

/** The master keys of a tenant, derived: the active one wraps, all of them unwrap. */
export type Ring = {
  readonly active: Kek;
  readonly byId: ReadonlyMap<string, Kek>;
  readonly tenant: string;
};

export async function createRing([first, ...others]: MasterKeys, tenant: string): Promise<Ring> {
  const active = await deriveKek(first.id, first.root);
  const rest = await Promise.all(others.map(({ id, root }) => deriveKek(id, root)));
  return { active, byId: new Map([active, ...rest].map((kek) => [kek.kekId, kek])), tenant };
}

/** A fresh key for a subject, as the store is asked to keep it. */
export async function newKey(ring: Ring, subjectHash: Bytes): Promise<NewSubjectKey> {
  const keyId = crypto.randomUUID();
  const dek = randomBytes(keyBytes);
  const wrapped = await wrapKey(ring.active, { tenant: ring.tenant, subjectHash, keyId }, dek);
  dek.fill(0);
  return { keyId, subjectHash, wrapped, kekId: ring.active.kekId };
}

/** The refusal for a key that values name and the store does not have. */
export const keyMissing = (keyId: string): VarveError =>
  new VarveError("key-missing", "A sealed value names a key that is not there.", { keyId });

/** The key in a row. `"erased"` only where the row says so: nothing else may pass for an erasure. */
export async function openRow(
  ring: Ring,
  row: SubjectKeyRow,
): Promise<Outcome<DataKey | "erased">> {
  const { keyId, kekId, subjectHash, wrapped, status } = row;
  if (status === "shredded") return accept("erased");
  if (wrapped === null) return refuse(keyMissing(keyId));
  const kek = ring.byId.get(kekId);
  if (kek !== undefined)
    return openWrapped(kek, { tenant: ring.tenant, subjectHash, keyId }, wrapped);
  const message = "A key is under a master key that this process was not given.";
  return refuse(new VarveError("master-key-unknown", message, { keyId, kekId }));
}

async function openWrapped(
  kek: Kek,
  place: KeyPlace,
  wrapped: Uint8Array,
): Promise<Outcome<DataKey>> {
  try {
    const dek = await unwrapKey(kek, place, wrapped);
    const key = await deriveDataKey(place.keyId, dek);
    dek.fill(0);
    return accept(key);
  } catch (error) {
    if (error instanceof VarveError) return refuse(error);
    throw error;
  }
}
