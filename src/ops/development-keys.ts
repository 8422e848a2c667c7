import { join } from "node:path";

import { VarveError } from "#kernel/errors.ts";
import { generateKeys, type KeyTexts } from "#pii/keygen.ts";

import type { Config } from "./config.ts";
import { environment } from "./config-schema.ts";
import { developmentDirectory } from "./development-database.ts";
import { publishOnce, readIfThere } from "./private-file.ts";

/** The keys of a development database, each as configuration would give it. */
export type DevelopmentKeys = {
  readonly masterKeys: string;
  readonly indexKey: string;
  readonly lookupKey: string;
  readonly auditSigningKey: string;
};

const fileName = "keys.env";
const masterKeyId = "dev-1";

/**
 * The keys in `keys.env` of the directory, made at the first call and the same ever after, also
 * when several processes make them at once. Only the owner may read the file. Throws VarveError
 * "configuration-invalid" if the file is damaged: keys are never made anew over it, since what
 * they sealed would be lost.
 */
export async function developmentKeys(directory: string): Promise<DevelopmentKeys> {
  const path = join(directory, fileName);
  const found = await readIfThere(path);
  if (found !== undefined) return parseKeys(found, path);
  await publishOnce(path, renderKeys(await generateKeys(masterKeyId)));
  return parseKeys((await readIfThere(path)) ?? "", path);
}

const renderKeys = (keys: KeyTexts): string =>
  [
    "# Keys of the development database beside this file. Without them its personal data is lost.",
    ...Object.entries(keys).map(([variable, text]) => `${variable}=${text}`),
    "",
  ].join("\n");

function parseKeys(text: string, path: string): DevelopmentKeys {
  const lines = new Map(
    text.split("\n").map((line) => {
      const equals = line.indexOf("=");
      return [line.slice(0, Math.max(equals, 0)), line.slice(equals + 1)] as const;
    }),
  );
  const read = (variable: keyof KeyTexts): string => {
    const value = environment.shape[variable].safeParse(lines.get(variable));
    if (value.success && value.data !== undefined) return value.data;
    throw new VarveError(
      "configuration-invalid",
      `${path} is damaged: ${variable} is missing or malformed. Restore the file, or delete the ` +
        "directory to start with an empty database and new keys.",
    );
  };
  return {
    masterKeys: read("PII_MASTER_KEYS"),
    indexKey: read("PII_INDEX_KEY"),
    lookupKey: read("PII_LOOKUP_KEY"),
    auditSigningKey: read("AUDIT_SIGNING_KEY"),
  };
}

/** The configured keys; in development those that are not set are made once and kept. */
export async function keysOf({ production, keys }: Config): Promise<Config["keys"]> {
  if (production) return keys;
  const given = Object.entries(keys).filter(([, text]) => text !== undefined);
  return { ...(await developmentKeys(developmentDirectory)), ...Object.fromEntries(given) };
}
