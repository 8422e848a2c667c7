import { describe, expect, test } from "bun:test";

import { poolSize, poolShare } from "#ops/config-pool.ts";
import { type Config, type Environment, loadConfig, requireConfig } from "#ops/config.ts";

const configOf = (env: Environment): Config => requireConfig(env);

function faultsOf(env: Environment): readonly string[] {
  const loaded = loadConfig(env);
  return loaded.ok ? [] : loaded.error.map(({ name, message }) => `${name} ${message}`);
}

describe("the pool", () => {
  test.each([
    ["light", 8],
    ["medium", 25],
    ["heavy", 50],
  ] as const)("of profile %s has %d connections when the server has plenty", (profile, size) => {
    const wish = { profile, size: undefined, connectionsMax: 100, instanceCount: 1 };
    expect(poolSize(wish)).toBe(size);
  });

  test("keeps to the instance's share when more is asked for", () => {
    expect(poolShare({ connectionsMax: 100, instanceCount: 4 })).toBe(23);
    const env = { DB_POOL_SIZE: "40", INSTANCE_COUNT: "4" };
    expect(configOf(env).database.poolSize).toBe(23);
  });

  test("is refused when the share is too small to work with", () => {
    expect(faultsOf({ INSTANCE_COUNT: "24" })).toEqual([
      "MAX_DB_CONNECTIONS must leave each of INSTANCE_COUNT instances 4 connections after 5 are set aside",
    ]);
    expect(configOf({ INSTANCE_COUNT: "23" }).database.poolSize).toBe(4);
  });
});
