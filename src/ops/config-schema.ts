import { z } from "zod";

import { limits } from "#kernel/limits.ts";

import { secretList, targetList, uriReference } from "./config-delivery.ts";
import { poolSizeMin } from "./config-pool.ts";
import {
  certificates,
  choice,
  databaseUrl,
  directory,
  flag,
  fraction,
  keyRing,
  signingKey,
  symmetricKey,
  webUrl,
  whole,
  word,
} from "./config-values.ts";

/** What a table of settings says of a variable beside its value. */
export type VariableNotes = {
  readonly description: string;
  /** What holds when the variable is not set, as text; absent for nothing. */
  readonly fallback?: string;
  /** How a value is shown: not at all, or without what is secret in it. */
  readonly secret?: "all" | "password" | "ring" | "targets";
};

/** Notes of each variable's schema. */
export const variableNotes = z.registry<VariableNotes>();

type TextSchema = z.ZodType<unknown, string>;

function given<Schema extends TextSchema>(schema: Schema, fallback: string, description: string) {
  const variable = schema.prefault(fallback as z.input<Schema> & string);
  variableNotes.add(variable, { description, fallback });
  return variable;
}

function optional<Schema extends TextSchema>(
  schema: Schema,
  description: string,
  notes: Omit<VariableNotes, "description"> = {},
) {
  const variable = schema.optional();
  variableNotes.add(variable, { description, ...notes });
  return variable;
}

/** Ten minutes: a longer wait is a hang by another name. */
const waitMsMax = 600_000;

/** Every variable that Varve reads; text in, typed values out. Order is the order of tables. */
export const environment = z.object({
  PORT: given(whole(0, 65_535), "3000", "TCP port of the HTTP server; 0 takes any free one"),
  HOST: given(word(), "::", "address to listen on; `::` takes IPv4 and IPv6"),
  APP_ENV: given(
    choice("development", "production"),
    "development",
    "`development` starts a database and makes keys by itself; `production` refuses to",
  ),
  LOG_LEVEL: given(
    choice("trace", "debug", "info", "warn", "error", "fatal", "silent"),
    "info",
    "least severe log lines to write: `trace`, `debug`, `info`, `warn`, `error`, `fatal`; or `silent`",
  ),

  DATABASE_URL: optional(databaseUrl(), "Postgres of the service; required in production", {
    fallback: "embedded database",
    secret: "password",
  }),
  DIRECT_DATABASE_URL: optional(
    databaseUrl(),
    "Postgres past any pooler, for migrations and partitions",
    {
      fallback: "DATABASE_URL",
      secret: "password",
    },
  ),
  REPLICA_DATABASE_URL: optional(
    databaseUrl(),
    "read replica that queries may use (no effect yet)",
    {
      secret: "password",
    },
  ),
  DB_POOL_PROFILE: given(
    choice("light", "medium", "heavy"),
    "light",
    "connections of one instance: `light` 8, `medium` 25, `heavy` 50 (3+5, 10+15, 20+30)",
  ),
  DB_POOL_SIZE: optional(whole(poolSizeMin, 1_000), "connections of one instance, exactly", {
    fallback: "by profile",
  }),
  INSTANCE_COUNT: given(whole(1, 1_000), "1", "instances that run at once, deployments included"),
  MAX_DB_CONNECTIONS: given(
    whole(1, 100_000),
    "100",
    "connections the server allows; each instance keeps to its share of all but 5",
  ),
  DB_STATEMENT_TIMEOUT_MS: given(
    whole(1, waitMsMax),
    "30000",
    "longest run of one statement; a wait for a lock ends after a third of it",
  ),
  DB_POOL_TIMEOUT_MS: given(whole(1, waitMsMax), "30000", "longest wait for a connection"),
  DB_PREPARE: given(flag(), "true", "prepared statements; `false` behind a transaction pooler"),
  DB_SSL: optional(
    choice("disable", "require", "verify-full"),
    "TLS to Postgres: `disable`, `require` (encrypted only), `verify-full` (certificate and name checked)",
    { fallback: "`sslmode` of the URL, else disable" },
  ),
  DB_SSL_CA: optional(
    certificates(),
    "certificates to trust when they are checked: PEM text, no path",
    {
      fallback: "system's",
    },
  ),

  SHUTDOWN_TIMEOUT_MS: given(whole(100, 290_000), "30000", "whole shutdown, from signal to exit"),
  DRAIN_TIMEOUT_MS: given(
    whole(50, 280_000),
    "10000",
    "part of the shutdown in which the worker finishes its page; below SHUTDOWN_TIMEOUT_MS",
  ),

  SUBSCRIPTION_BATCH_SIZE: given(
    whole(1, limits.readEvents),
    "100",
    "events that a subscription takes from the log at once",
  ),
  SUBSCRIPTION_MAX_IN_FLIGHT: given(
    whole(1, 100_000),
    "1000",
    "events read and not yet in effect; at least SUBSCRIPTION_BATCH_SIZE",
  ),
  SUBSCRIPTION_CHECKPOINT_STRATEGY: given(
    choice("every_batch", "every_event", "periodic"),
    "every_batch",
    "when effects and checkpoint are written: `every_batch`, `every_event`, `periodic` (each second)",
  ),
  SUBSCRIPTION_PROCESSING_TIMEOUT_MS: given(
    whole(1, waitMsMax),
    "30000",
    "longest call of a reactor for one event",
  ),
  SUBSCRIPTION_BACKPRESSURE_THRESHOLD: given(
    fraction(true),
    "0.8",
    "share of SUBSCRIPTION_MAX_IN_FLIGHT above which reading pauses",
  ),
  SUBSCRIPTION_CONTINUE_ON_ERROR: given(
    flag(),
    "true",
    "`true` puts an event that keeps failing aside as a dead letter; `false` stops in front of it",
  ),

  SNAPSHOT_THRESHOLD: given(whole(1, 1_000_000), "100", "events of a stream between snapshots"),
  SNAPSHOT_MODE: given(
    choice("sync", "background", "manual"),
    "sync",
    "`sync` takes snapshots before the answer, `background` after it, `manual` by `snapshots take` only",
  ),
  AGGREGATE_CACHE_SIZE: given(
    whole(0, 1_000_000),
    "1000",
    "folded states of aggregates held in memory, up to 32 MiB; 0 holds none",
  ),

  ARCHIVE_DIR: optional(
    directory(),
    "absolute path of the folder that closed months are archived to; see `partitions archive`",
  ),
  EVENT_RETENTION_MONTHS: optional(
    whole(1, 1_200),
    "months that a closed month stays in the database before it goes to ARCHIVE_DIR",
    { fallback: "for ever" },
  ),

  PII_MASTER_KEYS: optional(
    keyRing(),
    "keys that wrap each person's key: `id:base64,…`, the first is active; required in production",
    { fallback: "made in `.varve/`", secret: "ring" },
  ),
  PII_INDEX_KEY: optional(
    symmetricKey(),
    "key of the blind indexes, which come with search; required in production",
    {
      fallback: "made in `.varve/`",
      secret: "all",
    },
  ),
  PII_LOOKUP_KEY: optional(
    symmetricKey(),
    "key that hides whose each key is, never changed; required in production",
    { fallback: "made in `.varve/`", secret: "all" },
  ),
  AUDIT_SIGNING_KEY: optional(
    signingKey(),
    "Ed25519 key that will sign receipts and the audit log, PKCS#8 in base64; required in production",
    { fallback: "made in `.varve/`", secret: "all" },
  ),

  DELIVERY_TARGETS: optional(
    targetList(),
    "where publications go: `name=url,…` of http, https, nats or tls; see docs/delivery.md",
    { secret: "targets" },
  ),
  DELIVERY_SECRETS: optional(
    secretList(),
    "what webhooks are signed with: `name:whsec_base64,…`, several of a name to change over",
    { secret: "ring" },
  ),
  DELIVERY_SOURCE: optional(
    uriReference(),
    "`source` of events that leave; the name of this service to others",
    { fallback: "`urn:varve:` and OTEL_SERVICE_NAME" },
  ),

  JWT_JWKS_URL: optional(
    webUrl(),
    "key set of the issuer of access tokens; unset: API keys only (no effect yet)",
  ),
  JWT_ISSUER: optional(
    word(),
    "issuer that access tokens must name; goes with JWT_JWKS_URL (no effect yet)",
  ),
  JWT_AUDIENCE: optional(
    word(),
    "audience that access tokens must name; goes with JWT_JWKS_URL (no effect yet)",
  ),

  OTEL_EXPORTER_OTLP_ENDPOINT: optional(
    webUrl(),
    "OTLP/HTTP collector; unset: nothing is sent (no effect yet)",
  ),
  OTEL_SERVICE_NAME: given(word(), "varve", "service name in logs"),
  OTEL_TRACES_SAMPLER_ARG: given(
    fraction(false),
    "1",
    "share of traces that are recorded (no effect yet)",
  ),
});

export type VariableName = keyof typeof environment.shape;
export type Variables = z.output<typeof environment>;
