/**
 * API keys: `varve_<env>_<id>_<secret>_<check>`. Only a SHA-256 of the whole key is stored; its 256
 * random bits make a slow hash pointless. The check digits tell a mistyped key from an unknown one
 * without asking the database.
 */
import { invariant } from "#kernel/errors.ts";
import { type Clock, monotonicMs } from "#kernel/clock.ts";
import { limits } from "#kernel/limits.ts";

import type { Pool, Row } from "./pool.ts";
import { queries } from "./statements.ts";

export type ApiKey = {
  readonly keyId: string;
  readonly name: string;
  readonly scopes: readonly string[];
};

export type ApiKeyEntry = ApiKey & {
  readonly createdAt: string;
  readonly revokedAt: string | null;
};

type KeyRow = Row & {
  readonly key_id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly created_at: string;
  readonly revoked_at: string | null;
};

const keyForm = /^varve_([a-z]{1,12})_([0-9a-f]{16})_([0-9a-f]{64})_([0-9a-f]{8})$/;

const randomHex = (bytes: number): string => crypto.getRandomValues(new Uint8Array(bytes)).toHex();

const checkOf = (start: string): string => Bun.hash.crc32(start).toString(16).padStart(8, "0");

const hashOf = (key: string): string => new Bun.CryptoHasher("sha256").update(key).digest("hex");

/** The id in a key whose form and check digits are right, else undefined. */
export function keyIdOf(key: string): string | undefined {
  const parts = keyForm.exec(key);
  if (parts === null || parts[4] !== checkOf(key.slice(0, -9))) return undefined;
  return parts[2];
}

/** A new key of that environment (`dev`, `live`). Nothing is stored. */
export function mintApiKey(environment: string): string {
  const start = `varve_${environment}_${randomHex(8)}_${randomHex(32)}`;
  return `${start}_${checkOf(start)}`;
}

/** Stores the hash of a minted key. False if it was there. Throws a Defect for any other text. */
export async function createApiKey(
  pool: Pool,
  key: string,
  name: string,
  scopes: readonly string[],
): Promise<boolean> {
  const keyId = keyIdOf(key);
  invariant(keyId !== undefined, "only a minted key is stored");
  const [row] = await pool.query<{ created: boolean }>(queries.createApiKey, [
    keyId,
    name,
    hashOf(key),
    JSON.stringify(scopes),
  ]);
  return row?.created === true;
}

/** All keys, revoked ones too, oldest first. Never a secret. */
export async function listApiKeys(pool: Pool): Promise<readonly ApiKeyEntry[]> {
  const rows = await pool.query<KeyRow>(queries.listApiKeys, []);
  return rows.map((row) => ({
    keyId: row.key_id,
    name: row.name,
    scopes: row.scopes,
    createdAt: row.created_at,
    revokedAt: row.revoked_at,
  }));
}

/** True if the key was valid until now. Others stop believing it within `limits.apiKeyCacheMs`. */
export async function revokeApiKey(pool: Pool, keyId: string): Promise<boolean> {
  const [row] = await pool.query<{ revoked: boolean }>(queries.revokeApiKey, [keyId]);
  return row?.revoked === true;
}

/** Looks keys up by their hash and remembers the valid ones for a moment. */
export function createApiKeyLookup(
  pool: Pool,
  clock: Clock = monotonicMs,
): (key: string) => Promise<ApiKey | undefined> {
  const known = new Map<string, { readonly found: ApiKey; readonly untilMs: number }>();
  return async (key) => {
    if (keyIdOf(key) === undefined) return undefined;
    const hash = hashOf(key);
    const cached = known.get(hash);
    if (cached !== undefined && cached.untilMs > clock()) return cached.found;
    known.delete(hash);
    const [row] = await pool.query<KeyRow>(queries.findApiKey, [hash]);
    if (row === undefined) return undefined;
    const found: ApiKey = { keyId: row.key_id, name: row.name, scopes: row.scopes };
    const oldest = known.size >= limits.apiKeyCacheEntries ? known.keys().next().value : undefined;
    if (oldest !== undefined) known.delete(oldest);
    known.set(hash, { found, untilMs: clock() + limits.apiKeyCacheMs });
    return found;
  };
}
