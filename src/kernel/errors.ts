/**
 * The kernel: the words that every room speaks, and nothing that does anything. Its list of files
 * is fixed and small, so that nobody looks here for what belongs to a room.
 */

/**
 * Expected failures, each with a literal code. `true` means that the same call may be repeated
 * as it is: nothing happened, or asking again finds out what did.
 */
const codes = {
  "database-unavailable": true,
  "database-timeout": true,
  "outcome-unknown": true,
  "shutting-down": true,
  "partition-missing": true,
  "clock-ahead": true,
  "partition-archived": false,
  "partition-kept": false,
  "partition-busy": true,
  "archive-damaged": false,
  "invalid-data": false,
  "schema-behind": false,
  "upcast-failed": false,
  "migration-edited": false,
  "configuration-invalid": false,
  "service-unavailable": true,
  "dependency-unavailable": true,
  "handler-timeout": true,
  "handler-crashed": false,
  "event-not-wanted": false,
  "key-missing": false,
  "master-key-unknown": true,
  "sealed-value-malformed": false,
  "sealed-value-wrong-key": false,
  "sealed-value-tampered": false,
  "subject-erased": false,
  "lease-lost": true,
  "view-behind": true,
  "database-refused": false,
  "delivery-failed": true,
  "delivery-refused": false,
} as const;

export type ErrorCode = keyof typeof codes;

/** Facts for the log: never a value that a caller sent, never personal data. */
export type ErrorContext = Readonly<Record<string, string | number | boolean | undefined>>;

/** An expected failure: code, whether a repeat is safe, context for the log, and its cause. */
export class VarveError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly context: ErrorContext;

  constructor(code: ErrorCode, message: string, context: ErrorContext = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "VarveError";
    this.code = code;
    this.retryable = codes[code];
    this.context = context;
  }
}

/** Our own bug. Nobody catches it but the outermost boundary. */
export class Defect extends Error {
  override readonly name = "Defect";
}

/** Throws a Defect unless the condition holds. The message must not carry a caller's values. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Defect(message);
}

export const isCode = (error: unknown, ...wanted: readonly ErrorCode[]): error is VarveError =>
  error instanceof VarveError && wanted.includes(error.code);
