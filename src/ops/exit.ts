import { type ErrorCode, VarveError } from "#kernel/errors.ts";

/** Exit codes of every verb. 69, 75 and 78 are those of sysexits.h. */
export const exitCodes = {
  done: 0,
  /** It looked and found something wrong, or it failed in a way that none of the others says. */
  faultFound: 1,
  usage: 2,
  /** Something that it depends on does not answer. */
  unavailable: 69,
  /** The same call may succeed later. */
  tryAgain: 75,
  configuration: 78,
  /** Ctrl-C: what was begun is finished and reported, the rest is left. 128 + SIGINT. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Total, so that a new error code does not compile until its exit code is decided. */
const codeOf: Readonly<Record<ErrorCode, keyof typeof exitCodes>> = {
  "database-unavailable": "unavailable",
  "database-timeout": "unavailable",
  "database-refused": "unavailable",
  "service-unavailable": "unavailable",
  "dependency-unavailable": "unavailable",
  "handler-timeout": "tryAgain",
  "handler-crashed": "faultFound",
  "event-not-wanted": "faultFound",
  "outcome-unknown": "tryAgain",
  "shutting-down": "tryAgain",
  "partition-missing": "tryAgain",
  "clock-ahead": "tryAgain",
  "lease-lost": "tryAgain",
  "view-behind": "tryAgain",
  "partition-busy": "tryAgain",
  "delivery-failed": "tryAgain",
  "configuration-invalid": "configuration",
  "master-key-unknown": "configuration",
  "schema-behind": "faultFound",
  "upcast-failed": "faultFound",
  "migration-edited": "faultFound",
  "partition-archived": "faultFound",
  "partition-kept": "faultFound",
  "archive-damaged": "faultFound",
  "invalid-data": "faultFound",
  "key-missing": "faultFound",
  "sealed-value-malformed": "faultFound",
  "sealed-value-wrong-key": "faultFound",
  "sealed-value-tampered": "faultFound",
  "subject-erased": "faultFound",
  "delivery-refused": "faultFound",
};

/** The command line was not understood; the message says what is wanted. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The exit code for whatever a verb threw; a defect is 1. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof UsageError) return exitCodes.usage;
  return error instanceof VarveError ? exitCodes[codeOf[error.code]] : exitCodes.faultFound;
}
