import { afterAll, beforeAll, expect, test } from "bun:test";
import type postgres from "postgres";

import { limits } from "#kernel/limits.ts";
import {
  createApiKey,
  createApiKeyLookup,
  keyIdOf,
  listApiKeys,
  mintApiKey,
  revokeApiKey,
} from "#store/api-keys.ts";
import type { Pool } from "#store/pool.ts";
import type { TestDatabase } from "#test/database.ts";
import { openTestPool } from "#test/support/pools.ts";
import { closeStore, openStore } from "#test/support/store.ts";

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
beforeAll(async () => {
  ({ database, pool, sql } = await openStore());
});
afterAll(() => closeStore({ database, pool, sql }));

const scopes = ["commands:orders", "queries:*"];

/** A pool that nothing answers behind: whoever asks it gets an error. */
const nowhere = () => openTestPool("postgres://nobody@127.0.0.1:1/nothing");

test("key is found with its name and scopes when it was stored, once", async () => {
  const key = mintApiKey("dev");
  expect(await createApiKey(pool, key, "first", scopes)).toBe(true);
  expect(await createApiKey(pool, key, "again", ["*"])).toBe(false);
  const found = await createApiKeyLookup(pool)(key);
  expect(found).toEqual({ keyId: keyIdOf(key) ?? "", name: "first", scopes });
});

test("key is stored as a hash alone when it is created", async () => {
  const key = mintApiKey("live");
  await createApiKey(pool, key, "hashed", scopes);
  const secret = key.split("_")[3] ?? "";
  const [row] = await sql<{ line: string }[]>`
    select k::text as line from varve.api_keys k where name = 'hashed'`;
  expect([row?.line.includes(secret), row?.line.includes(keyIdOf(key) ?? "")]).toEqual([
    false,
    true,
  ]);
});

test("key is unknown when nobody stored it, or when only its id is right", async () => {
  const key = mintApiKey("dev");
  await createApiKey(pool, key, "real", scopes);
  const find = createApiKeyLookup(pool);
  expect(await find(mintApiKey("dev"))).toBeUndefined();
  const prefix = `varve_dev_${keyIdOf(key)}_${"0".repeat(64)}`;
  const forged = `${prefix}_${Bun.hash.crc32(prefix).toString(16).padStart(8, "0")}`;
  expect([keyIdOf(forged), await find(forged)]).toEqual([keyIdOf(key), undefined]);
});

test("malformed key is unknown when the database is not even there", async () => {
  const key = mintApiKey("dev");
  const find = createApiKeyLookup(nowhere());
  const last = key.endsWith("0") ? "1" : "0";
  const malformed = [
    "",
    "Bearer",
    key.slice(0, -1),
    key.slice(0, -1) + last,
    key.toUpperCase(),
    ` ${key}`,
    `${key}\n`,
    key.replace("dev", "d3v"),
    "varve_dev_' or true --",
    "\0",
    "é".repeat(10_000),
  ];
  for (const text of malformed) expect(await find(text)).toBeUndefined();
  const code = await find(key).catch((error: { code: string }) => error.code);
  expect(code).toBe("database-unavailable" as never);
});

test("malformed key is a defect when somebody would store it", async () => {
  const before = await listApiKeys(pool);
  const outcome = await createApiKey(pool, "varve_dev_short", "bad", scopes).then(
    () => "stored",
    (error: Error) => error.name,
  );
  expect([outcome, await listApiKeys(pool)]).toEqual(["Defect", before]);
});

test("revoked key is believed until the cache forgets it when it was known", async () => {
  const key = mintApiKey("dev");
  const keyId = keyIdOf(key) ?? "";
  await createApiKey(pool, key, "revoked", scopes);
  let nowMs = 0;
  const find = createApiKeyLookup(pool, () => nowMs);
  const names = async () => (await find(key))?.name;
  expect(await names()).toBe("revoked");
  expect([await revokeApiKey(pool, keyId), await revokeApiKey(pool, keyId)]).toEqual([true, false]);
  expect(await createApiKeyLookup(pool)(key)).toBeUndefined();
  nowMs = limits.apiKeyCacheMs - 1;
  expect(await names()).toBe("revoked");
  nowMs = limits.apiKeyCacheMs;
  expect(await names()).toBeUndefined();
});

test("found key is not asked for again when it is in the cache", async () => {
  const key = mintApiKey("dev");
  await createApiKey(pool, key, "cached", scopes);
  const own = openTestPool(database.url);
  const find = createApiKeyLookup(own);
  const first = await find(key);
  await own.close(1_000);
  expect(await find(key)).toEqual(first);
});

test("keys are listed with their state, oldest first, when they are asked for", async () => {
  const [kept, ended] = [mintApiKey("dev"), mintApiKey("dev")];
  await createApiKey(pool, kept, "list 1", scopes);
  await createApiKey(pool, ended, "list 2", ["*"]);
  await revokeApiKey(pool, keyIdOf(ended) ?? "");
  const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/) as string;
  const listed = (await listApiKeys(pool)).filter(({ name }) => name.startsWith("list"));
  expect(listed).toEqual([
    { keyId: keyIdOf(kept) ?? "", name: "list 1", scopes, createdAt: time, revokedAt: null },
    {
      keyId: keyIdOf(ended) ?? "",
      name: "list 2",
      scopes: ["*"],
      createdAt: time,
      revokedAt: time,
    },
  ]);
});
