import { VarveError } from "#kernel/errors.ts";
import type { TargetConfig } from "#subscription/delivery/target.ts";
import { accept, refuse, type Result } from "#kernel/result.ts";

import { type ConfigFault, crossFaults, type ReadVariables } from "./config-checks.ts";
import { toTargets } from "./config-delivery.ts";
import { poolSize } from "./config-pool.ts";
import { environment, type VariableName, type Variables } from "./config-schema.ts";

/**
 * Configuration: the environment read once, at the start, into one typed value.
 *
 * What it is. `config-schema.ts` lists every variable with its kind, bounds, default and a line of
 * description; `config-checks.ts` says what only several of them together can get wrong;
 * `config-table.ts` shows them to people. Rooms never read the environment: `main.ts` hands them
 * the part that they need.
 *
 * What it promises. Every fault is listed at once, each with its variable and what is wanted. No
 * message repeats a value, since a secret may stand in the wrong variable. An empty variable counts
 * as not set. A number means what it says: no sign, exponent, hex or space is taken for one.
 *
 * What it relies on. On nothing but the given environment and the publications that the domain
 * declares: no file, no clock, no network.
 *
 * How it fails. `loadConfig` refuses with the faults; `requireConfig` throws
 * `configuration-invalid`, which ends the process with exit code 78.
 *
 * What it does not do. It checks the shape of keys, not whether they open anything: that is known
 * once the database is asked. It ignores variables that it does not know, since a machine's
 * environment is full of them.
 */
export type Config = {
  readonly production: boolean;
  readonly port: number;
  readonly host: string;
  readonly logLevel: Variables["LOG_LEVEL"];
  readonly database: DatabaseConfig;
  readonly instanceCount: number;
  readonly shutdownTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly subscription: SubscriptionConfig;
  readonly snapshot: {
    readonly threshold: number;
    readonly mode: Variables["SNAPSHOT_MODE"];
    /** Folded states held in memory; 0 for none. */
    readonly heldMax: number;
  };
  readonly partitions: PartitionConfig;
  readonly keys: KeyTexts;
  readonly delivery: DeliveryConfig;
  /** Undefined: only API keys are accepted. */
  readonly tokens: TokenConfig | undefined;
  readonly telemetry: TelemetryConfig;
};

export type DatabaseConfig = {
  /** Undefined only in development: the embedded database is used. */
  readonly url: string | undefined;
  /** For migrations; the same as `url` unless set. */
  readonly directUrl: string | undefined;
  readonly replicaUrl: string | undefined;
  /** Connections of this process, already capped by its share of the server's. */
  readonly poolSize: number;
  readonly statementTimeoutMs: number;
  readonly poolTimeoutMs: number;
  readonly prepare: boolean;
  /** Undefined: what the URL's `sslmode` says, else no TLS. */
  readonly ssl: Variables["DB_SSL"];
  /** PEM, only with `verify-full`. */
  readonly sslCa: string | undefined;
};

export type SubscriptionConfig = {
  readonly batchSize: number;
  readonly maxInFlight: number;
  readonly checkpointStrategy: Variables["SUBSCRIPTION_CHECKPOINT_STRATEGY"];
  readonly processingTimeoutMs: number;
  readonly backpressureThreshold: number;
  readonly continueOnError: boolean;
};

export type PartitionConfig = {
  /** An absolute path; always there with `retentionMonths`. */
  readonly archiveDirectory: string | undefined;
  /** Undefined: every month stays. */
  readonly retentionMonths: number | undefined;
};

/** Key material as text of the right shape; `pii/` turns it into keys. */
export type KeyTexts = {
  readonly masterKeys: string | undefined;
  readonly indexKey: string | undefined;
  readonly lookupKey: string | undefined;
  readonly auditSigningKey: string | undefined;
};

export type DeliveryConfig = {
  /** A URI reference. */
  readonly source: string;
  /** Each of a publication that the domain declares; empty: nothing leaves. */
  readonly targets: readonly TargetConfig[];
};

export type TokenConfig = {
  readonly jwksUrl: string;
  readonly issuer: string;
  readonly audience: string;
};

export type TelemetryConfig = {
  readonly serviceName: string;
  /** Undefined: nothing leaves the process. */
  readonly otlpEndpoint: string | undefined;
  /** 0 to 1. */
  readonly sampleShare: number;
};

/** A process environment. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The configuration, or every fault of the environment in the order of the table of variables. */
export function loadConfig(env: Environment): Result<Config, readonly ConfigFault[]> {
  const { read, faults } = readVariables(env);
  const faulty = new Set(faults.map((fault) => fault.name));
  const all = [...faults, ...crossFaults(read, faulty)];
  return all.length === 0 ? accept(toConfig(read as Variables)) : refuse(inTableOrder(all));
}

/** The configuration. Throws VarveError "configuration-invalid" whose message lists every fault. */
export function requireConfig(env: Environment): Config {
  const loaded = loadConfig(env);
  if (loaded.ok) return loaded.value;
  throw new VarveError("configuration-invalid", faultText(loaded.error), {
    faults: loaded.error.length,
  });
}

/** The faults for people: a heading, then a line each. */
export const faultText = (faults: readonly ConfigFault[]): string =>
  [
    "the configuration is invalid:",
    ...faults.map(({ name, message }) => `  ${name} ${message}`),
  ].join("\n");

const variableNames = Object.keys(environment.shape) as readonly VariableName[];

const inTableOrder = (faults: readonly ConfigFault[]): readonly ConfigFault[] =>
  faults.toSorted((a, b) => variableNames.indexOf(a.name) - variableNames.indexOf(b.name));

function readVariables(env: Environment): { read: ReadVariables; faults: ConfigFault[] } {
  const read: Record<string, unknown> = {};
  const faults: ConfigFault[] = [];
  for (const name of variableNames) {
    const value = environment.shape[name].safeParse(env[name] || undefined);
    if (value.success) read[name] = value.data;
    else faults.push(...value.error.issues.map(({ message }) => ({ name, message })));
  }
  return { read, faults };
}

const toConfig = (read: Variables): Config => ({
  production: read.APP_ENV === "production",
  port: read.PORT,
  host: read.HOST,
  logLevel: read.LOG_LEVEL,
  database: toDatabase(read),
  instanceCount: read.INSTANCE_COUNT,
  shutdownTimeoutMs: read.SHUTDOWN_TIMEOUT_MS,
  drainTimeoutMs: read.DRAIN_TIMEOUT_MS,
  subscription: {
    batchSize: read.SUBSCRIPTION_BATCH_SIZE,
    maxInFlight: read.SUBSCRIPTION_MAX_IN_FLIGHT,
    checkpointStrategy: read.SUBSCRIPTION_CHECKPOINT_STRATEGY,
    processingTimeoutMs: read.SUBSCRIPTION_PROCESSING_TIMEOUT_MS,
    backpressureThreshold: read.SUBSCRIPTION_BACKPRESSURE_THRESHOLD,
    continueOnError: read.SUBSCRIPTION_CONTINUE_ON_ERROR,
  },
  snapshot: {
    threshold: read.SNAPSHOT_THRESHOLD,
    mode: read.SNAPSHOT_MODE,
    heldMax: read.AGGREGATE_CACHE_SIZE,
  },
  partitions: {
    archiveDirectory: read.ARCHIVE_DIR,
    retentionMonths: read.EVENT_RETENTION_MONTHS,
  },
  keys: {
    masterKeys: read.PII_MASTER_KEYS,
    indexKey: read.PII_INDEX_KEY,
    lookupKey: read.PII_LOOKUP_KEY,
    auditSigningKey: read.AUDIT_SIGNING_KEY,
  },
  delivery: {
    source: read.DELIVERY_SOURCE ?? `urn:varve:${encodeURIComponent(read.OTEL_SERVICE_NAME)}`,
    targets: toTargets(read),
  },
  tokens: toTokens(read),
  telemetry: {
    serviceName: read.OTEL_SERVICE_NAME,
    otlpEndpoint: read.OTEL_EXPORTER_OTLP_ENDPOINT,
    sampleShare: read.OTEL_TRACES_SAMPLER_ARG,
  },
});

const toDatabase = (read: Variables): DatabaseConfig => ({
  url: read.DATABASE_URL,
  directUrl: read.DIRECT_DATABASE_URL ?? read.DATABASE_URL,
  replicaUrl: read.REPLICA_DATABASE_URL,
  poolSize: poolSize({
    profile: read.DB_POOL_PROFILE,
    size: read.DB_POOL_SIZE,
    connectionsMax: read.MAX_DB_CONNECTIONS,
    instanceCount: read.INSTANCE_COUNT,
  }),
  statementTimeoutMs: read.DB_STATEMENT_TIMEOUT_MS,
  poolTimeoutMs: read.DB_POOL_TIMEOUT_MS,
  prepare: read.DB_PREPARE,
  ssl: read.DB_SSL,
  sslCa: read.DB_SSL_CA,
});

function toTokens(read: Variables): TokenConfig | undefined {
  const { JWT_JWKS_URL: jwksUrl, JWT_ISSUER: issuer, JWT_AUDIENCE: audience } = read;
  const complete = jwksUrl !== undefined && issuer !== undefined && audience !== undefined;
  return complete ? { jwksUrl, issuer, audience } : undefined;
}
