import { createApiKey, keyIdOf, listApiKeys, mintApiKey, revokeApiKey } from "#store/api-keys.ts";
import type { Pool } from "#store/pool.ts";

import { defineVerb } from "./cli-arguments.ts";
import { requireConfig } from "./config.ts";
import { withPool } from "./database.ts";
import { type ExitCode, exitCodes, UsageError } from "./exit.ts";
import { writeLine } from "./output.ts";

/** `queries:orders`, `commands:*`, `pii:read`, `*`. */
const scopeForm = /^(\*|[a-z][a-z0-9-]*(:(\*|[a-z][a-z0-9-]*))?)$/;

function scopesOf(text: string): readonly string[] {
  const scopes = text.split(",").map((scope) => scope.trim());
  const wrong = scopes.find((scope) => !scopeForm.test(scope));
  if (wrong !== undefined) throw new UsageError(`"${wrong}" is not a scope`);
  return scopes;
}

const onDatabase = <Value>(work: (pool: Pool) => Promise<Value>): Promise<Value> =>
  withPool(requireConfig(process.env).database, "keys", work);

const create = defineVerb({
  name: "create",
  description: "Make a key and print it, once: only its hash is stored",
  args: {
    name: { type: "string", required: true, description: "what it is for" },
    scopes: { type: "string", required: true, description: "comma-separated: commands:orders,*" },
  },
  run: async (args): Promise<void> => {
    const scopes = scopesOf(args.scopes);
    const key = mintApiKey(requireConfig(process.env).production ? "live" : "dev");
    await onDatabase((pool) => createApiKey(pool, key, args.name, scopes));
    writeLine(
      args.json ? JSON.stringify({ key, keyId: keyIdOf(key), name: args.name, scopes }) : key,
    );
  },
});

const list = defineVerb({
  name: "list",
  description: "Show all keys, revoked ones too; never a secret",
  run: async (args): Promise<void> => {
    const keys = await onDatabase(listApiKeys);
    if (args.json) return writeLine(JSON.stringify(keys));
    for (const { keyId, name, scopes, createdAt, revokedAt } of keys) {
      const state = revokedAt === null ? "valid" : `revoked ${revokedAt}`;
      writeLine(`${keyId}  ${createdAt}  ${state}  ${scopes.join(",")}  ${name}`);
    }
  },
});

const revoke = defineVerb({
  name: "revoke",
  description: "End a key; instances stop believing it within seconds",
  args: { id: { type: "positional", required: true, description: "the id in the key" } },
  run: async (args): Promise<ExitCode> => {
    const revoked = await onDatabase((pool) => revokeApiKey(pool, args.id));
    if (args.json) writeLine(JSON.stringify({ revoked }));
    else writeLine(revoked ? "revoked" : "there is no such valid key");
    return revoked ? exitCodes.done : exitCodes.faultFound;
  },
});

/** `varve keys create|list|revoke`: the API keys of callers. */
export const keysVerb = defineVerb({
  name: "keys",
  description: "API keys of callers",
  verbs: {
    create: () => Promise.resolve(create),
    list: () => Promise.resolve(list),
    revoke: () => Promise.resolve(revoke),
  },
});
