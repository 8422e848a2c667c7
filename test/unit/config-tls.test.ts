import { describe, expect, test } from "bun:test";

import { type Environment, loadConfig } from "#ops/config.ts";
import { migrationTarget, poolOptions } from "#ops/database.ts";

import { certificate } from "./certificate.ts";

function faultsOf(env: Environment): readonly string[] {
  const loaded = loadConfig(env);
  return loaded.ok ? [] : loaded.error.map(({ name, message }) => `${name} ${message}`);
}

const url = (parameters: string): string => `postgres://u:p4ss@h/db?${parameters}`;

describe("TLS in the configuration", () => {
  test.each(["prefer", "allow", "requird", "REQUIRE", ""])(
    "URL is refused when its sslmode is %p, which promises nothing",
    (mode) => {
      expect(faultsOf({ DATABASE_URL: url(`sslmode=${mode}`) })).toEqual([
        "DATABASE_URL must have no sslmode but disable, require, verify-ca, verify-full",
      ]);
    },
  );

  test.each([
    "ssl=true",
    "SSLMODE=require",
    "sslmode=require&sslmode=disable",
    "sslmode=verify-full&sslrootcert=/ca.pem",
    "channel_binding=require",
  ])("URL is refused when it says %p, which nobody would heed", (parameters) => {
    expect(faultsOf({ DIRECT_DATABASE_URL: url(parameters) })).toEqual([
      "DIRECT_DATABASE_URL must say of TLS no more than one sslmode; DB_SSL and DB_SSL_CA say the rest",
    ]);
  });

  test.each([
    ["disable", "require"],
    ["disable", "verify-full"],
    ["require", "verify-ca"],
    ["require", "verify-full"],
  ] as const)("DB_SSL=%s is refused when a URL says sslmode=%s", (DB_SSL, mode) => {
    const fault = "DB_SSL must not ask for less than the sslmode of a database URL";
    expect(faultsOf({ DB_SSL, DATABASE_URL: url(`sslmode=${mode}`) })).toEqual([fault]);
    expect(faultsOf({ DB_SSL, DIRECT_DATABASE_URL: url(`sslmode=${mode}`) })).toEqual([fault]);
  });

  test("certificates are refused when they cannot be read, or are a path", () => {
    const fault = ["DB_SSL_CA must be certificates in PEM"];
    const unreadable = "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----";
    for (const DB_SSL_CA of [unreadable, `${certificate}\n${unreadable}`, "/etc/ca.pem"]) {
      expect(faultsOf({ DB_SSL: "verify-full", DB_SSL_CA })).toEqual(fault);
    }
    const two = `${certificate}\n${certificate}`;
    expect(faultsOf({ DB_SSL: "verify-full", DB_SSL_CA: two })).toEqual([]);
  });

  test("certificates are refused when nothing is checked against them", () => {
    const DB_SSL_CA = certificate;
    const useless = "DB_SSL_CA must only be set with DB_SSL=verify-full";
    expect(faultsOf({ DB_SSL_CA, DB_SSL: "require" })).toEqual([useless]);
    expect(faultsOf({ DB_SSL_CA })).toEqual([useless]);
    expect(faultsOf({ DB_SSL_CA, DATABASE_URL: url("sslmode=verify-full") })).toEqual([]);
    expect(faultsOf({ DB_SSL_CA, DB_SSL: "verify-full" })).toEqual([]);
  });

  test.each([
    [{}, false],
    [{ DATABASE_URL: url("sslmode=disable") }, false],
    [{ DATABASE_URL: url("sslmode=require") }, { verify: false }],
    [{ DATABASE_URL: url("sslmode=verify-ca") }, { verify: true }],
    [{ DATABASE_URL: url("sslmode=verify-full") }, { verify: true }],
    [
      { DATABASE_URL: url("sslmode=verify-full"), DB_SSL_CA: certificate },
      { verify: true, ca: certificate },
    ],
    [{ DB_SSL: "disable" }, false],
    [{ DB_SSL: "require" }, { verify: false }],
    [{ DB_SSL: "verify-full" }, { verify: true }],
    [{ DATABASE_URL: url("sslmode=require"), DB_SSL: "verify-full" }, { verify: true }],
    [
      { DB_SSL: "verify-full", DB_SSL_CA: certificate },
      { verify: true, ca: certificate },
    ],
  ] as const)("pool and migration have what %o asks for", (env: Environment, ssl) => {
    const loaded = loadConfig({ DATABASE_URL: "postgres://u:p4ss@h/db", ...env });
    if (!loaded.ok) throw new Error(loaded.error.map(({ message }) => message).join());
    const { database } = loaded.value;
    expect(poolOptions(database, { name: "test", size: 1 }).ssl).toEqual(ssl);
    expect(migrationTarget(database).ssl).toEqual(ssl);
  });

  test("migration has its own URL's sslmode when DB_SSL is not set", () => {
    const env = {
      DATABASE_URL: url("sslmode=disable"),
      DIRECT_DATABASE_URL: url("sslmode=require"),
    };
    const loaded = loadConfig(env);
    if (!loaded.ok) throw new Error("it is valid");
    const { database } = loaded.value;
    expect([
      poolOptions(database, { name: "test", size: 1 }).ssl,
      migrationTarget(database).ssl,
    ]).toEqual([false, { verify: false }]);
  });
});
