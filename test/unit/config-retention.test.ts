import { expect, test } from "bun:test";

import { loadConfig } from "#ops/config.ts";

const faultsOf = (env: Readonly<Record<string, string>>): readonly string[] => {
  const loaded = loadConfig(env);
  return loaded.ok ? [] : loaded.error.map(({ name, message }) => `${name} ${message}`);
};

test("retention is refused when it has nowhere to archive to", () => {
  expect([
    faultsOf({ EVENT_RETENTION_MONTHS: "24" }),
    faultsOf({ EVENT_RETENTION_MONTHS: "24", ARCHIVE_DIR: "archive" }),
    faultsOf({ EVENT_RETENTION_MONTHS: "0", ARCHIVE_DIR: "/archive" }),
    faultsOf({ EVENT_RETENTION_MONTHS: "24", ARCHIVE_DIR: "/archive" }),
    faultsOf({ ARCHIVE_DIR: "/archive" }),
  ]).toEqual([
    ["ARCHIVE_DIR must be set when EVENT_RETENTION_MONTHS is"],
    ["ARCHIVE_DIR must be an absolute path"],
    ["EVENT_RETENTION_MONTHS must be a whole number from 1 to 1200"],
    [],
    [],
  ]);
});
