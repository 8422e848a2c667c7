import { link, readFile, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { createApiKey, keyIdOf, mintApiKey } from "#store/api-keys.ts";
import type { Pool } from "#store/pool.ts";

const fileName = "dev-key";

const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && "code" in error && error.code === code;

async function storedKey(path: string): Promise<string | undefined> {
  try {
    const key = (await readFile(path, "utf8")).trim();
    return keyIdOf(key) === undefined ? undefined : key;
  } catch (error) {
    if (isCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Puts a new key in place whole, unless another process was first. */
async function publishKey(path: string): Promise<void> {
  const draft = `${path}.${crypto.randomUUID()}`;
  await writeFile(draft, `${mintApiKey("dev")}\n`, { mode: 0o600 });
  try {
    await link(draft, path);
  } catch (error) {
    if (!isCode(error, "EEXIST")) throw error;
  } finally {
    await unlink(draft);
  }
}

/**
 * The development API key: the one in `<directory>/dev-key` (mode 0600), made if there is none, and
 * valid for everything in this database, also where the database is younger than the file.
 */
export async function developmentAccess(pool: Pool, directory: string): Promise<string> {
  const path = join(directory, fileName);
  if ((await storedKey(path)) === undefined) await publishKey(path);
  const key = await storedKey(path);
  if (key === undefined) throw new Error(`${path} holds no API key: remove it and start again`);
  await createApiKey(pool, key, "development", ["*"]);
  return key;
}
