import { join } from "node:path";

import { VarveError } from "#kernel/errors.ts";
import { createApiKey, keyIdOf, mintApiKey } from "#store/api-keys.ts";
import type { Pool } from "#store/pool.ts";

import { publishOnce, readIfThere } from "./private-file.ts";

const fileName = "dev-key";

/**
 * The development API key: the one in `<directory>/dev-key` (mode 0600), made if there is none, and
 * valid for everything in this database, also where the database is younger than the file. Throws
 * VarveError "configuration-invalid" if the file holds something else.
 */
export async function developmentAccess(pool: Pool, directory: string): Promise<string> {
  const path = join(directory, fileName);
  if ((await readIfThere(path)) === undefined) await publishOnce(path, `${mintApiKey("dev")}\n`);
  const key = (await readIfThere(path))?.trim() ?? "";
  if (keyIdOf(key) === undefined) {
    throw new VarveError("configuration-invalid", `${path} holds no API key: remove it`);
  }
  await createApiKey(pool, key, "development", ["*"]);
  return key;
}
