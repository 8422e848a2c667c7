import { expect, test } from "bun:test";

import { z } from "zod";

import { environment } from "#ops/config-schema.ts";
import { describeConfig, renderConfigMarkdown, renderConfigText } from "#ops/config-table.ts";
import { type Environment, requireConfig } from "#ops/config.ts";

const key = new Uint8Array(32).fill(9).toBase64();

const rowsOf = (env: Environment) =>
  new Map(describeConfig(env, requireConfig(env)).map((row) => [row.name, row]));

test("the table of settings shows value, default and source when a variable is set", () => {
  const rows = rowsOf({ PORT: "8080" });
  expect(rows.get("PORT")).toEqual({
    name: "PORT",
    value: "8080",
    default: "3000",
    source: "env",
    description: "TCP port of the HTTP server; 0 takes any free one",
  });
  expect(rows.get("LOG_LEVEL")).toEqual({
    name: "LOG_LEVEL",
    value: "info",
    default: "info",
    source: "default",
    description:
      "least severe log lines to write: trace, debug, info, warn, error, fatal; or silent",
  });
});

test("the table of settings shows the pool in force when the share caps it", () => {
  expect(rowsOf({ DB_POOL_PROFILE: "heavy", INSTANCE_COUNT: "4" }).get("DB_POOL_SIZE")?.value).toBe(
    "23",
  );
});

test("the table of settings hides what is secret when secrets are set", () => {
  const env = {
    DATABASE_URL: "postgres://app:hunter2@db.internal:5432/varve?password=hunter2",
    REPLICA_DATABASE_URL: "postgres://app:hunter2@one,two/varve",
    PII_MASTER_KEYS: `2026:${key},2025:${key}`,
    PII_INDEX_KEY: key,
    PII_LOOKUP_KEY: key,
  };
  const rows = rowsOf(env);
  expect(rows.get("DATABASE_URL")?.value).toBe("postgres://app:***@db.internal:5432/varve?…");
  expect(rows.get("REPLICA_DATABASE_URL")?.value).toBe("postgres://app:***@one/varve");
  expect(rows.get("PII_MASTER_KEYS")?.value).toBe("2026:***,2025:***");
  expect(rows.get("PII_INDEX_KEY")?.value).toBe("***");
  const text = `${renderConfigText([...rows.values()])}${JSON.stringify([...rows.values()])}`;
  expect(text).not.toContain("hunter2");
  expect(text).not.toContain(key);
});

test("every variable of the schema has a row with a description when the table is written", () => {
  const rows = renderConfigMarkdown().split("\n").slice(2);
  expect(rows.map((row) => /^\| `([A-Z_]+)` \| .* \| .{10,} \|$/.exec(row)?.[1])).toEqual(
    Object.keys(environment.shape),
  );
});

test("every value that a setting may choose from is in its description when the table is written", () => {
  const values = Object.values(environment.shape).map((schema) => schema.unwrap());
  const choices = Object.keys(environment.shape).flatMap((name, index) => {
    const value = values[index];
    return value instanceof z.ZodEnum ? [[name, value.options] as const] : [];
  });
  expect(choices.map(([name]) => name)).toContain("SNAPSHOT_MODE");
  const rows = renderConfigMarkdown().split("\n");
  for (const [name, options] of choices) {
    const row = rows.find((each) => each.startsWith(`| \`${name}\` |`));
    for (const option of options) expect(row).toContain(`\`${option}\``);
  }
});
