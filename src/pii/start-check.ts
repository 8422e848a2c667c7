import { isCode, VarveError } from "#kernel/errors.ts";

import { randomBytes } from "./aead.ts";
import { keyBytes } from "./data-key.ts";
import type { Kek } from "./key-block.ts";
import type { SubjectKeyStore } from "./subject-key-store.ts";
import { unwrapKey, wrapKey } from "./wrap.ts";

/** No subject has this hash and no key this id, so a sample can never pass for a key row. */
const canaryPlace = {
  tenant: "",
  subjectHash: new Uint8Array(32),
  keyId: "00000000-0000-0000-0000-000000000000",
};

type Ring = ReadonlyMap<string, Kek>;

async function requireLivingIds(ring: Ring, store: SubjectKeyStore): Promise<void> {
  const lacking = (await store.livingKekIds()).filter((kekId) => !ring.has(kekId)).toSorted();
  if (lacking.length === 0) return;
  const kekIds = lacking.join(", ");
  const message = `PII_MASTER_KEYS lacks the master keys that living keys are under: ${kekIds}`;
  throw new VarveError("configuration-invalid", message, { kekIds });
}

async function claimMissingCanaries(ring: Ring, store: SubjectKeyStore): Promise<void> {
  const known = new Set((await store.canaries()).map(({ kekId }) => kekId));
  for (const [kekId, kek] of ring) {
    if (known.has(kekId)) continue;
    const sample = await wrapKey(kek, canaryPlace, randomBytes(keyBytes));
    await store.claimCanary(kekId, sample);
  }
}

async function openCanary(kek: Kek, wrapped: Uint8Array): Promise<void> {
  try {
    await unwrapKey(kek, canaryPlace, wrapped);
  } catch (error) {
    if (!isCode(error, "sealed-value-tampered", "sealed-value-malformed")) throw error;
    const message = `PII_MASTER_KEYS has other bytes for "${kek.kekId}" than this database knows`;
    throw new VarveError("configuration-invalid", message, { kekId: kek.kekId });
  }
}

/**
 * Refuses a ring that cannot open what the database holds, before anything is sealed under it: an
 * id of a living key that is missing, or other bytes under a known id. A master key that is new to
 * the database leaves a sample there. Throws VarveError "configuration-invalid". Safe to repeat.
 */
export async function checkRing(ring: Ring, store: SubjectKeyStore): Promise<void> {
  await requireLivingIds(ring, store);
  await claimMissingCanaries(ring, store);
  // Read again after claiming: another process may have been first, with other bytes.
  for (const { kekId, wrapped } of await store.canaries()) {
    const kek = ring.get(kekId);
    if (kek !== undefined) await openCanary(kek, wrapped);
  }
}
