import { link, mkdir, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";

import { VarveError } from "#kernel/errors.ts";

import { environment } from "./config-schema.ts";

/** The keys of a development database, each as configuration would give it. */
export type DevelopmentKeys = {
  readonly masterKeys: string;
  readonly indexKey: string;
  readonly lookupKey: string;
  readonly auditSigningKey: string;
};

const fileName = "keys.env";

/**
 * The keys in `keys.env` of the directory, made at the first call and the same ever after, also
 * when several processes make them at once. Only the owner may read the file. Throws VarveError
 * "configuration-invalid" if the file is damaged: keys are never made anew over it, since what
 * they sealed would be lost.
 */
export async function developmentKeys(directory: string): Promise<DevelopmentKeys> {
  const path = join(directory, fileName);
  const found = await textOf(path);
  if (found !== undefined) return parseKeys(found, path);
  // Others may pass through, because the embedded database runs as another user when we are root.
  await mkdir(directory, { recursive: true, mode: 0o711 });
  await publish(path, renderKeys(await makeKeys()));
  return parseKeys((await textOf(path)) ?? "", path);
}

/**
 * Makes the file appear whole or not at all: written aside, then linked, which fails if another
 * process was first. Exclusive creation alone would show a half-written file to the loser.
 */
async function publish(path: string, text: string): Promise<void> {
  const aside = `${path}.${crypto.randomUUID()}`;
  try {
    const file = await open(aside, "wx", 0o600);
    await file.writeFile(text);
    await file.sync();
    await file.close();
    await link(aside, path);
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && "code" in error && error.code === code;

async function makeKeys(): Promise<DevelopmentKeys> {
  const random = () => crypto.getRandomValues(new Uint8Array(32)).toBase64();
  // The types know no overload for Ed25519, which always makes a pair.
  const made = await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]);
  const pair = made as CryptoKeyPair;
  const signing = await crypto.subtle.exportKey("pkcs8", pair.privateKey);
  return {
    masterKeys: `dev-1:${random()}`,
    indexKey: random(),
    lookupKey: random(),
    auditSigningKey: new Uint8Array(signing).toBase64(),
  };
}

const variables = {
  masterKeys: "PII_MASTER_KEYS",
  indexKey: "PII_INDEX_KEY",
  lookupKey: "PII_LOOKUP_KEY",
  auditSigningKey: "AUDIT_SIGNING_KEY",
} as const;

const renderKeys = (keys: DevelopmentKeys): string =>
  [
    "# Keys of the development database beside this file. Without them its personal data is lost.",
    `${variables.masterKeys}=${keys.masterKeys}`,
    `${variables.indexKey}=${keys.indexKey}`,
    `${variables.lookupKey}=${keys.lookupKey}`,
    `${variables.auditSigningKey}=${keys.auditSigningKey}`,
    "",
  ].join("\n");

function parseKeys(text: string, path: string): DevelopmentKeys {
  const lines = new Map(
    text.split("\n").map((line) => {
      const equals = line.indexOf("=");
      return [line.slice(0, Math.max(equals, 0)), line.slice(equals + 1)] as const;
    }),
  );
  const read = (variable: (typeof variables)[keyof typeof variables]): string => {
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
