import { Defect, VarveError } from "#kernel/errors.ts";
import type { LogFields } from "#kernel/log.ts";

/** A field under one of these names is not written, at any depth; `_`, `-` and case do not count. */
const hiddenNames = new Set(
  [
    "authorization proxyauthorization cookie setcookie password passphrase secret token apikey",
    "contact shippingaddress address line1 line2 postcode city",
    "email name firstname lastname phone birthdate ip",
    "body payload document parameters params args query detail where hint plaintext",
    "masterkeys indexkey lookupkey auditsigningkey privatekey",
  ].flatMap((line) => line.split(" ")),
);

const hidden = "[hidden]";

/** Bounds of one log line: what is deeper, longer or wider is a document, not a fact. */
const depthMax = 5;
const itemsMax = 50;
const textMax = 2_000;
const framesMax = 15;
const causesMax = 5;

/**
 * Classes of SQLSTATE whose message names objects and conditions of the server alone. Others, such
 * as 22 (data) and 23 (integrity), quote the value at fault. Source: Postgres, appendix A.
 */
const quotelessClasses = new Set("08 0A 25 26 28 3D 40 42 53 54 55 57 58 F0 XX".split(" "));

/** An error as it may be written: never a value that a caller sent. */
export type SafeError = {
  readonly type: string;
  readonly message: string;
  readonly code?: string;
  readonly context?: LogFields;
  readonly constraint?: string;
  readonly stack?: readonly string[];
  readonly cause?: SafeError;
};

/**
 * The fields as they may be written: personal and secret names hidden, errors reduced to
 * `SafeError`, size bounded. Never throws.
 */
export const safeFields = (fields: LogFields): LogFields => safeObject(fields, 0);

/** The error with its causes, at most five, its stack without messages. */
export const safeError = (error: unknown): SafeError => toSafeError(error, 0);

/** The error's message if nobody else's values can stand in it, else what kind of error it is. */
export function safeMessage(error: unknown): string {
  if (!(error instanceof Error)) return `a thrown ${typeof error}`;
  if (error instanceof VarveError || error instanceof Defect) return error.message;
  const state = sqlState(error);
  if (state !== undefined && !quotelessClasses.has(state.slice(0, 2))) return `SQLSTATE ${state}`;
  // Engines quote what they stumbled over: `Unexpected identifier "Ada"`.
  return cut(error.message.replaceAll(/"[^"]*"|'[^']*'|`[^`]*`/g, "…"));
}

function toSafeError(error: unknown, depth: number): SafeError {
  if (!(error instanceof Error)) return { type: typeof error, message: safeMessage(error) };
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  const constraint = textField(error, "constraint_name");
  const { cause } = error;
  return {
    type: error.name,
    message: safeMessage(error),
    ...(code === undefined ? {} : { code }),
    ...(error instanceof VarveError ? { context: safeFields(error.context) } : {}),
    ...(constraint === undefined ? {} : { constraint }),
    stack: frames(error),
    ...(cause === undefined || depth >= causesMax - 1
      ? {}
      : { cause: toSafeError(cause, depth + 1) }),
  };
}

/** The lines of the stack that are frames: the first line repeats the message. */
const frames = (error: Error): readonly string[] =>
  (error.stack ?? "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.startsWith("at "))
    .slice(0, framesMax);

/** The SQLSTATE of an error that a Postgres server sent. */
const sqlState = (error: Error): string | undefined => {
  const code = textField(error, "code");
  return textField(error, "severity") !== undefined && code?.length === 5 ? code : undefined;
};

function textField(error: Error, field: string): string | undefined {
  const value = (error as unknown as Readonly<Record<string, unknown>>)[field];
  return typeof value === "string" ? value : undefined;
}

function safeObject(fields: LogFields, depth: number): LogFields {
  const safe: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields).slice(0, itemsMax)) {
    if (value === undefined) continue;
    safe[name] = isHidden(name) ? hidden : safeValue(value, depth + 1);
  }
  return safe;
}

const isHidden = (name: string): boolean =>
  hiddenNames.has(name.replaceAll(/[_-]/g, "").toLowerCase());

function safeValue(value: unknown, depth: number): unknown {
  if (typeof value === "string") return cut(value);
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return plain(value);
  if (value instanceof Error) return safeError(value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return "[bytes]";
  if (depth >= depthMax) return "[deep]";
  return Array.isArray(value)
    ? value.slice(0, itemsMax).map((item) => safeValue(item, depth + 1))
    : safeObject(value as LogFields, depth);
}

const plain = (value: unknown): unknown =>
  typeof value === "function" || typeof value === "symbol" ? `[${typeof value}]` : value;

const cut = (text: string): string =>
  text.length <= textMax ? text : `${text.slice(0, textMax)}… (${text.length} characters)`;
