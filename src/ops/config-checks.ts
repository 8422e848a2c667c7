import { sslModeOf } from "#store/dial.ts";

import { deliveryFaults } from "./config-delivery.ts";
import { connectionsReserved, poolShare, poolSizeMin } from "./config-pool.ts";
import type { VariableName, Variables } from "./config-schema.ts";

/** One thing wrong with the environment: the variable, and a sentence that goes on from its name. */
export type ConfigFault = { readonly name: VariableName; readonly message: string };

/** The variables that could be read; those at fault are absent. */
export type ReadVariables = Partial<Variables>;

/** What only several variables together can get wrong. Keeps quiet about a variable at fault. */
export function crossFaults(
  read: ReadVariables,
  faulty: ReadonlySet<VariableName>,
): readonly ConfigFault[] {
  const found: readonly (ConfigFault | undefined)[] = [
    ...missingInProduction(read),
    ...missingOfTokens(read),
    drainTooLong(read),
    nowhereToArchive(read, faulty),
    batchTooLarge(read),
    shareTooSmall(read),
    weakenedTls(read),
    uselessCertificates(read, faulty),
    ...deliveryFaults(read, faulty),
  ];
  return found.filter((fault) => fault !== undefined).filter((fault) => !faulty.has(fault.name));
}

const neededInProduction = [
  "DATABASE_URL",
  "PII_MASTER_KEYS",
  "PII_INDEX_KEY",
  "PII_LOOKUP_KEY",
  "AUDIT_SIGNING_KEY",
] as const;

const missingInProduction = (read: ReadVariables): readonly ConfigFault[] =>
  read.APP_ENV === "production"
    ? neededInProduction
        .filter((name) => read[name] === undefined)
        .map((name) => ({ name, message: "must be set when APP_ENV is production" }))
    : [];

const tokenNames = ["JWT_JWKS_URL", "JWT_ISSUER", "JWT_AUDIENCE"] as const;

/** A key set without an issuer or audience would accept tokens that were meant for others. */
function missingOfTokens(read: ReadVariables): readonly ConfigFault[] {
  const missing = tokenNames.filter((name) => read[name] === undefined);
  if (missing.length === tokenNames.length) return [];
  return missing.map((name) => ({
    name,
    message: "must be set when one of JWT_JWKS_URL, JWT_ISSUER and JWT_AUDIENCE is",
  }));
}

function drainTooLong(read: ReadVariables): ConfigFault | undefined {
  const { DRAIN_TIMEOUT_MS: drain, SHUTDOWN_TIMEOUT_MS: shutdown } = read;
  return drain !== undefined && shutdown !== undefined && drain >= shutdown
    ? { name: "DRAIN_TIMEOUT_MS", message: "must be below SHUTDOWN_TIMEOUT_MS, which contains it" }
    : undefined;
}

function nowhereToArchive(
  read: ReadVariables,
  faulty: ReadonlySet<VariableName>,
): ConfigFault | undefined {
  const { ARCHIVE_DIR: directory, EVENT_RETENTION_MONTHS: months } = read;
  return months !== undefined && directory === undefined && !faulty.has("ARCHIVE_DIR")
    ? { name: "ARCHIVE_DIR", message: "must be set when EVENT_RETENTION_MONTHS is" }
    : undefined;
}

function batchTooLarge(read: ReadVariables): ConfigFault | undefined {
  const { SUBSCRIPTION_BATCH_SIZE: batch, SUBSCRIPTION_MAX_IN_FLIGHT: inFlight } = read;
  return batch !== undefined && inFlight !== undefined && batch > inFlight
    ? { name: "SUBSCRIPTION_MAX_IN_FLIGHT", message: "must be at least SUBSCRIPTION_BATCH_SIZE" }
    : undefined;
}

function shareTooSmall(read: ReadVariables): ConfigFault | undefined {
  const { MAX_DB_CONNECTIONS: connectionsMax, INSTANCE_COUNT: instanceCount } = read;
  if (connectionsMax === undefined || instanceCount === undefined) return undefined;
  if (poolShare({ connectionsMax, instanceCount }) >= poolSizeMin) return undefined;
  return {
    name: "MAX_DB_CONNECTIONS",
    message:
      `must leave each of INSTANCE_COUNT instances ${poolSizeMin} connections ` +
      `after ${connectionsReserved} are set aside`,
  };
}

const databaseUrls = ["DATABASE_URL", "DIRECT_DATABASE_URL", "REPLICA_DATABASE_URL"] as const;

/** From the weakest to the strongest; `verify-ca` is held for `verify-full`. */
const strengths = ["disable", "require", "verify-ca", "verify-full"];

/** What is in force for each URL: DB_SSL, else its own `sslmode`. */
const sslModes = (read: ReadVariables): readonly string[] =>
  databaseUrls
    .map((name) => read[name])
    .filter((url) => url !== undefined)
    .map((url) => read.DB_SSL ?? sslModeOf(url) ?? "disable");

/** Nobody who reads `sslmode=verify-full` in a URL may get less. */
function weakenedTls(read: ReadVariables): ConfigFault | undefined {
  const { DB_SSL: ssl } = read;
  if (ssl === undefined) return undefined;
  const asked = databaseUrls.map((name) => sslModeOf(read[name] ?? "") ?? "disable");
  const weakens = asked.some((mode) => strengths.indexOf(mode) > strengths.indexOf(ssl));
  return weakens
    ? { name: "DB_SSL", message: "must not ask for less than the sslmode of a database URL" }
    : undefined;
}

/** Certificates that are not checked against would only look like protection. */
function uselessCertificates(
  read: ReadVariables,
  faulty: ReadonlySet<VariableName>,
): ConfigFault | undefined {
  if (faulty.has("DB_SSL") || faulty.has("DATABASE_URL")) return undefined;
  const isUsed = read.DB_SSL === "verify-full" || sslModes(read).some(verifies);
  return read.DB_SSL_CA !== undefined && !isUsed
    ? { name: "DB_SSL_CA", message: "must only be set with DB_SSL=verify-full" }
    : undefined;
}

const verifies = (mode: string): boolean => mode.startsWith("verify");
