import { describe, expect, test } from "bun:test";

import { type Config, type Environment, loadConfig, requireConfig } from "#ops/config.ts";

import { certificate } from "./certificate.ts";

const key = new Uint8Array(32).fill(7).toBase64();
const otherKey = new Uint8Array(32).fill(8).toBase64();
const signingKey = `MC4CAQAwBQYDK2VwBCIEI${"A".repeat(43)}`;

const production: Environment = {
  APP_ENV: "production",
  DATABASE_URL: "postgres://app:secret@db.internal:5432/varve?sslmode=require",
  PII_MASTER_KEYS: `env:1:${key}`,
  PII_INDEX_KEY: key,
  PII_LOOKUP_KEY: key,
  AUDIT_SIGNING_KEY: signingKey,
};

const defaults: Config = {
  production: false,
  port: 3000,
  host: "::",
  logLevel: "info",
  database: {
    url: undefined,
    directUrl: undefined,
    replicaUrl: undefined,
    poolSize: 8,
    statementTimeoutMs: 30_000,
    poolTimeoutMs: 30_000,
    prepare: true,
    ssl: undefined,
    sslCa: undefined,
  },
  instanceCount: 1,
  shutdownTimeoutMs: 30_000,
  drainTimeoutMs: 10_000,
  subscription: {
    batchSize: 100,
    maxInFlight: 1_000,
    checkpointStrategy: "every_batch",
    processingTimeoutMs: 30_000,
    backpressureThreshold: 0.8,
    continueOnError: true,
  },
  snapshot: { threshold: 100, mode: "sync", heldMax: 1_000 },
  partitions: { archiveDirectory: undefined, retentionMonths: undefined },
  keys: {
    masterKeys: undefined,
    indexKey: undefined,
    lookupKey: undefined,
    auditSigningKey: undefined,
  },
  delivery: { source: "urn:varve:varve", targets: [] },
  tokens: undefined,
  telemetry: { serviceName: "varve", otlpEndpoint: undefined, sampleShare: 1 },
};

const configOf = (env: Environment): Config => requireConfig(env);

function faultsOf(env: Environment): readonly string[] {
  const loaded = loadConfig(env);
  return loaded.ok ? [] : loaded.error.map(({ name, message }) => `${name} ${message}`);
}

describe("configuration", () => {
  test("has the documented defaults when nothing is set", () => {
    expect(configOf({})).toEqual(defaults);
  });

  test("counts an empty variable as not set", () => {
    expect(configOf({ PORT: "", DATABASE_URL: "", JWT_ISSUER: "" })).toEqual(defaults);
  });

  test("ignores variables that it does not know", () => {
    expect(configOf({ PATH: "/bin", DB_POOL_SIZES: "many" })).toEqual(defaults);
  });

  test("takes every variable when all are set", () => {
    const env: Environment = {
      ...production,
      PORT: "0",
      HOST: "127.0.0.1",
      LOG_LEVEL: "debug",
      DIRECT_DATABASE_URL: "postgresql://app@direct/varve",
      REPLICA_DATABASE_URL: "postgres://app@one:5432,two:5432/varve",
      DB_POOL_SIZE: "12",
      INSTANCE_COUNT: "4",
      DB_STATEMENT_TIMEOUT_MS: "1000",
      DB_POOL_TIMEOUT_MS: "2000",
      DB_PREPARE: "false",
      DB_SSL: "verify-full",
      DB_SSL_CA: certificate.replaceAll("\n", "\\n"),
      SHUTDOWN_TIMEOUT_MS: "20000",
      DRAIN_TIMEOUT_MS: "5000",
      SUBSCRIPTION_BATCH_SIZE: "10",
      SUBSCRIPTION_MAX_IN_FLIGHT: "20",
      SUBSCRIPTION_CHECKPOINT_STRATEGY: "periodic",
      SUBSCRIPTION_PROCESSING_TIMEOUT_MS: "3000",
      SUBSCRIPTION_BACKPRESSURE_THRESHOLD: "0.5",
      SUBSCRIPTION_CONTINUE_ON_ERROR: "false",
      SNAPSHOT_THRESHOLD: "7",
      SNAPSHOT_MODE: "manual",
      AGGREGATE_CACHE_SIZE: "0",
      ARCHIVE_DIR: "/srv/archive of events",
      EVENT_RETENTION_MONTHS: "24",
      AUDIT_SIGNING_KEY: signingKey,
      DELIVERY_TARGETS: "order-events=https://receiver.example/events?of=orders",
      DELIVERY_SECRETS: `order-events:whsec_${key},order-events:whsec_${otherKey}`,
      DELIVERY_SOURCE: "https://shop.example/orders",
      JWT_JWKS_URL: "https://login.example/jwks",
      JWT_ISSUER: "https://login.example",
      JWT_AUDIENCE: "varve",
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318",
      OTEL_SERVICE_NAME: "orders",
      OTEL_TRACES_SAMPLER_ARG: "0.25",
    };
    expect(configOf(env)).toEqual({
      production: true,
      port: 0,
      host: "127.0.0.1",
      logLevel: "debug",
      database: {
        url: "postgres://app:secret@db.internal:5432/varve?sslmode=require",
        directUrl: "postgresql://app@direct/varve",
        replicaUrl: "postgres://app@one:5432,two:5432/varve",
        poolSize: 12,
        statementTimeoutMs: 1_000,
        poolTimeoutMs: 2_000,
        prepare: false,
        ssl: "verify-full",
        sslCa: certificate,
      },
      instanceCount: 4,
      shutdownTimeoutMs: 20_000,
      drainTimeoutMs: 5_000,
      subscription: {
        batchSize: 10,
        maxInFlight: 20,
        checkpointStrategy: "periodic",
        processingTimeoutMs: 3_000,
        backpressureThreshold: 0.5,
        continueOnError: false,
      },
      snapshot: { threshold: 7, mode: "manual", heldMax: 0 },
      partitions: { archiveDirectory: "/srv/archive of events", retentionMonths: 24 },
      keys: {
        masterKeys: `env:1:${key}`,
        indexKey: key,
        lookupKey: key,
        auditSigningKey: signingKey,
      },
      delivery: {
        source: "https://shop.example/orders",
        targets: [
          {
            name: "order-events",
            url: "https://receiver.example/events?of=orders",
            secrets: [`whsec_${key}`, `whsec_${otherKey}`],
          },
        ],
      },
      tokens: {
        jwksUrl: "https://login.example/jwks",
        issuer: "https://login.example",
        audience: "varve",
      },
      telemetry: {
        serviceName: "orders",
        otlpEndpoint: "http://collector:4318",
        sampleShare: 0.25,
      },
    });
  });

  test("migrates over DATABASE_URL when no direct one is set", () => {
    const { database } = configOf(production);
    expect(database.directUrl).toBe(database.url);
  });

  test("lists every fault at once, in the order of the table, when many are malformed", () => {
    expect(
      faultsOf({
        LOG_LEVEL: "loud",
        PORT: "70000",
        DB_PREPARE: "yes",
        SUBSCRIPTION_BACKPRESSURE_THRESHOLD: "0",
        JWT_ISSUER: "https://login.example",
      }),
    ).toEqual([
      "PORT must be a whole number from 0 to 65535",
      "LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, silent",
      "DB_PREPARE must be one of true, false",
      "SUBSCRIPTION_BACKPRESSURE_THRESHOLD must be a decimal above 0 and at most 1",
      "JWT_JWKS_URL must be set when one of JWT_JWKS_URL, JWT_ISSUER and JWT_AUDIENCE is",
      "JWT_AUDIENCE must be set when one of JWT_JWKS_URL, JWT_ISSUER and JWT_AUDIENCE is",
    ]);
  });

  test.each(["3e3", "0x10", " 30", "30 ", "+30", "-1", "03000", "3000.0", "٣", "1_000", "NaN"])(
    "refuses the number %p when it is not in plain digits",
    (text) => {
      expect(faultsOf({ PORT: text })).toEqual(["PORT must be a whole number from 0 to 65535"]);
    },
  );

  test("refuses to start in production when the database or a key is missing", () => {
    expect(faultsOf({ APP_ENV: "production" })).toEqual([
      "DATABASE_URL must be set when APP_ENV is production",
      "PII_MASTER_KEYS must be set when APP_ENV is production",
      "PII_INDEX_KEY must be set when APP_ENV is production",
      "PII_LOOKUP_KEY must be set when APP_ENV is production",
      "AUDIT_SIGNING_KEY must be set when APP_ENV is production",
    ]);
  });

  test("names a malformed variable once when it is also required", () => {
    expect(faultsOf({ ...production, PII_INDEX_KEY: "short" })).toEqual([
      "PII_INDEX_KEY must be 32 bytes in base64",
    ]);
  });

  test.each([
    ["PII_MASTER_KEYS", key, "must be id:base64 pairs separated by commas, each of 32 bytes"],
    [
      "PII_MASTER_KEYS",
      `a:${key},`,
      "must be id:base64 pairs separated by commas, each of 32 bytes",
    ],
    [
      "PII_MASTER_KEYS",
      "a:c2hvcnQ=",
      "must be id:base64 pairs separated by commas, each of 32 bytes",
    ],
    ["PII_MASTER_KEYS", `a:${key},a:${key}`, "must name each key id once"],
    ["PII_LOOKUP_KEY", key.replace("=", ""), "must be 32 bytes in base64"],
    ["AUDIT_SIGNING_KEY", key, "must be an Ed25519 key, PKCS#8 in base64"],
    [
      "DATABASE_URL",
      "mysql://u:p4ss@h/db",
      "must be a URL like postgres://user:password@host:5432/database",
    ],
    [
      "DATABASE_URL",
      "postgres://u:p4ss@h/db?sslmode=requird",
      "must have no sslmode but disable, require, verify-ca, verify-full",
    ],
    ["DB_SSL_CA", "ca.pem", "must be certificates in PEM"],
    ["JWT_JWKS_URL", "ftp://login.example", "must be an http or https URL"],
  ] as const)("says what %s must be when it is malformed", (name, value, message) => {
    const faults = faultsOf({ ...production, [name]: value });
    expect(faults.filter((fault) => fault.startsWith(`${name} `))).toEqual([`${name} ${message}`]);
    expect(faults.join()).not.toContain(value);
  });

  test("refuses a drain as long as the shutdown when both are set", () => {
    expect(faultsOf({ DRAIN_TIMEOUT_MS: "5000", SHUTDOWN_TIMEOUT_MS: "5000" })).toEqual([
      "DRAIN_TIMEOUT_MS must be below SHUTDOWN_TIMEOUT_MS, which contains it",
    ]);
  });

  test("refuses a batch that does not fit in flight", () => {
    expect(faultsOf({ SUBSCRIPTION_MAX_IN_FLIGHT: "99" })).toEqual([
      "SUBSCRIPTION_MAX_IN_FLIGHT must be at least SUBSCRIPTION_BATCH_SIZE",
    ]);
  });

  test("throws configuration-invalid with a line for each fault when it must have a value", () => {
    expect(() => requireConfig({ PORT: "x", HOST: "a b" })).toThrow(
      expect.objectContaining({
        code: "configuration-invalid",
        message: [
          "the configuration is invalid:",
          "  PORT must be a whole number from 0 to 65535",
          "  HOST must be 1 to 255 printable characters without spaces",
        ].join("\n"),
      }),
    );
  });
});
