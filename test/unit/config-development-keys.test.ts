import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { requireConfig } from "#ops/config.ts";
import { developmentKeys } from "#ops/development-keys.ts";

let home: string;
let directory: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "varve-keys-"));
  directory = join(home, ".varve");
});

afterEach(() => rm(home, { recursive: true }));

test("development keys are what production would accept when they are made", async () => {
  const keys = await developmentKeys(directory);
  const config = requireConfig({
    APP_ENV: "production",
    DATABASE_URL: "postgres://db/varve",
    PII_MASTER_KEYS: keys.masterKeys,
    PII_INDEX_KEY: keys.indexKey,
    PII_LOOKUP_KEY: keys.lookupKey,
    AUDIT_SIGNING_KEY: keys.auditSigningKey,
  });
  expect(config.keys).toEqual(keys);
});

test("development keys stay the same when they are asked for again", async () => {
  expect(await developmentKeys(directory)).toEqual(await developmentKeys(directory));
});

test("development keys are readable by their owner alone when they are made", async () => {
  await developmentKeys(directory);
  const file = await stat(join(directory, "keys.env"));
  const folder = await stat(directory);
  expect([file.mode & 0o777, folder.mode & 0o777]).toEqual([0o600, 0o711]);
});

test("development keys are the same for all when many make them at once", async () => {
  const answers = await Promise.all(Array.from({ length: 16 }, () => developmentKeys(directory)));
  const kept = await developmentKeys(directory);
  expect(answers).toEqual(answers.map(() => kept));
  expect(await readdir(directory)).toEqual(["keys.env"]);
});

test("development keys are refused, not made anew, when the file is damaged", async () => {
  await developmentKeys(directory);
  await writeFile(join(directory, "keys.env"), "PII_MASTER_KEYS=dev-1:half");
  const failure = await developmentKeys(directory).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: "configuration-invalid" });
});
