/**
 * Problem documents (RFC 9457): every error that leaves the service is made here, from one table.
 *
 * What it promises: a code means one status. A 503 says when to try again. Nothing that a caller
 * sent stands in a problem but the names of declared fields, and unknown names outside of personal
 * ones; a defect says nothing at all.
 *
 * What it relies on: the codes of VarveError being closed: leaving one out does not compile.
 */
import type { ContentfulStatusCode } from "hono/utils/http-status";

import type { RejectionKind } from "#domain/decider.ts";
import type { ErrorCode } from "#kernel/errors.ts";

import type { EdgeContext } from "./edge.ts";

type Kind = {
  readonly status: ContentfulStatusCode;
  readonly title: string;
  /** Where the answer that uses it has no detail of its own. */
  readonly detail?: string;
  /** Seconds after which a repeat may help. */
  readonly retryAfter?: number;
};

/** A view that is kept has moved on by then. */
const MOMENT_S = 1;
/** A replacement of a connection or a short failover is over by then. */
const SOON_S = 2;
/** This instance goes away; the platform has routed around it by then. */
const ELSEWHERE_S = 5;
/** Somebody has to set a clock. */
const BY_HAND_S = 60;

export const problems = {
  "malformed-json": {
    status: 400,
    title: "The body is not JSON",
    detail: "The body must be one JSON object in UTF-8.",
  },
  "body-incomplete": {
    status: 400,
    title: "The body ended too early",
    detail: "The connection broke before the body was complete. Nothing was done.",
  },
  "invalid-idempotency-key": {
    status: 400,
    title: "The key cannot be used",
    detail: "Idempotency-Key is 1 to 255 visible ASCII characters.",
  },
  "invalid-precondition": { status: 400, title: "The precondition cannot be tested" },
  unauthenticated: {
    status: 401,
    title: "Who calls is not known",
    detail: "Send a valid key: Authorization: Bearer <key>.",
  },
  forbidden: { status: 403, title: "The key does not allow this" },
  "not-found": {
    status: 404,
    title: "There is nothing here",
    detail: "No route of this service has this address.",
  },
  "unknown-command": {
    status: 404,
    title: "There is no such command",
    detail: "Commands are sent to /commands/{aggregate}/{id}/{command}.",
  },
  "method-not-allowed": {
    status: 405,
    title: "This method is not for this address",
    detail: "The header Allow lists the methods that are.",
  },
  "version-conflict": {
    status: 409,
    title: "Others were faster every time",
    detail: "The command was decided again and again and lost each race. Nothing was stored.",
  },
  "idempotency-in-progress": {
    status: 409,
    title: "The same command is being handled",
    detail: "A request with this Idempotency-Key is under way. Repeat it to get its answer.",
    retryAfter: SOON_S,
  },
  "subject-erased": {
    status: 409,
    title: "The person was erased",
    detail: "Personal data of this subject was erased and is not taken again.",
  },
  "partition-archived": {
    status: 409,
    title: "The events are archived",
    detail: "Events that this needs lie in months that have to be restored first.",
  },
  "nothing-to-swap": {
    status: 409,
    title: "Nothing is being built",
    detail: "Begin with rebuild, or release another definition of the view. Nothing was changed.",
  },
  "view-behind-serving": {
    status: 409,
    title: "What is built has not caught up",
    detail: "It is not yet where the documents are that serve. Try again when it is.",
  },
  "nothing-to-roll-back": {
    status: 409,
    title: "There is no version before",
    detail: "Only a version that served before the last swap can serve again.",
  },
  "view-being-built": {
    status: 409,
    title: "Another version is being built",
    detail: "Swap it in, or drop it first: varve projections drop --building. Nothing was changed.",
  },
  "dead-letter-settled": {
    status: 409,
    title: "The letter does not wait any more",
    detail: "It was resolved or discarded before.",
  },
  "dead-letter-behind": {
    status: 409,
    title: "The letter waits behind another",
    detail: "It follows by itself, in order, once the letter headId is resolved or discarded.",
  },
  "version-mismatch": {
    status: 412,
    title: "The version is another one",
    detail: "Read the current version and decide anew. Nothing was stored.",
  },
  "body-too-large": { status: 413, title: "The body is too large" },
  "unsupported-media-type": {
    status: 415,
    title: "The body is of another kind",
    detail: "Send application/json in UTF-8, without content encoding.",
  },
  "idempotency-key-reused": {
    status: 422,
    title: "The key stands for another request",
    detail: "This Idempotency-Key was sent with another request before. Nothing was stored.",
  },
  "validation-failed": { status: 422, title: "The request does not fit" },
  "invalid-data": { status: 422, title: "The request cannot be stored" },
  internal: { status: 500, title: "A fault of the service" },
  "database-unavailable": {
    status: 503,
    title: "The database is not available",
    detail: "Try again after the time of Retry-After.",
    retryAfter: SOON_S,
  },
  "database-timeout": {
    status: 503,
    title: "The database did not answer in time",
    detail: "Try again after the time of Retry-After.",
    retryAfter: SOON_S,
  },
  "outcome-unknown": {
    status: 503,
    title: "The outcome is not known",
    detail:
      "The command may have been stored. Repeat it with the same Idempotency-Key, or read first.",
    retryAfter: SOON_S,
  },
  "too-many-feeds": {
    status: 503,
    title: "This instance has no feed left",
    detail: "Try again after the time of Retry-After, or read the log in pages.",
    retryAfter: ELSEWHERE_S,
  },
  "view-behind": {
    status: 503,
    title: "The view is not so far",
    detail:
      "It has not reached the position of Varve-Min-Position in time. Try again, or wait longer: Prefer: wait=<seconds, up to 30>.",
    retryAfter: MOMENT_S,
  },
  "clock-ahead": {
    status: 503,
    title: "The database's clock is ahead",
    detail:
      "It is over an hour past the last event and the service's clock. Nothing was stored, and nothing will be until the clock is right.",
    retryAfter: BY_HAND_S,
  },
  "shutting-down": {
    status: 503,
    title: "The instance is shutting down",
    detail: "Nothing was done. Try again; another instance will answer.",
    retryAfter: ELSEWHERE_S,
  },
} as const satisfies Readonly<Record<string, Kind>>;

export type ProblemCode = keyof typeof problems;

/** How loudly a failure is told to the operator; an alert is an error for a person to look at. */
export type Severity = "none" | "warn" | "error" | "alert";

type Failure = readonly [problem: ProblemCode, severity: Severity];

/** Every expected failure as a caller sees it. */
export const failures: Readonly<Record<ErrorCode, Failure>> = {
  "database-unavailable": ["database-unavailable", "warn"],
  "database-timeout": ["database-timeout", "warn"],
  "outcome-unknown": ["outcome-unknown", "error"],
  "shutting-down": ["shutting-down", "none"],
  "clock-ahead": ["clock-ahead", "error"],
  "view-behind": ["view-behind", "none"],
  // The next instance, the next minute or the next release can answer these.
  "partition-missing": ["database-unavailable", "error"],
  // It stays so until somebody restores the month.
  "partition-archived": ["partition-archived", "error"],
  "schema-behind": ["database-unavailable", "error"],
  "lease-lost": ["database-unavailable", "warn"],
  "master-key-unknown": ["database-unavailable", "error"],
  // A server that is broken in a way that nobody foresaw is still not the caller's fault.
  "database-refused": ["database-unavailable", "alert"],
  "invalid-data": ["invalid-data", "warn"],
  "subject-erased": ["subject-erased", "none"],
  "upcast-failed": ["internal", "alert"],
  "key-missing": ["internal", "alert"],
  "sealed-value-malformed": ["internal", "alert"],
  "sealed-value-wrong-key": ["internal", "alert"],
  "sealed-value-tampered": ["internal", "alert"],
  // These belong to the start of a process and cannot meet a request but by a bug.
  "migration-edited": ["internal", "error"],
  "partition-kept": ["internal", "error"],
  "partition-busy": ["internal", "error"],
  "archive-damaged": ["internal", "error"],
  "configuration-invalid": ["internal", "error"],
  "service-unavailable": ["internal", "error"],
  // And these to the worker, whose failures no request waits for.
  "dependency-unavailable": ["internal", "error"],
  "delivery-failed": ["internal", "error"],
  "delivery-refused": ["internal", "error"],
  "handler-timeout": ["internal", "error"],
  "handler-crashed": ["internal", "error"],
  "event-not-wanted": ["internal", "error"],
};

/** What one answer adds to its kind of problem. */
export type Particulars = {
  readonly detail?: string;
  /** Members of its own, none of them under a standard name. */
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
};

function document(
  context: EdgeContext,
  kind: Kind & { readonly code: string },
  { detail = kind.detail, fields = {}, headers = {} }: Particulars,
): Response {
  const { code, status, title, retryAfter } = kind;
  const requestId = context.get("requestId");
  const type = `urn:varve:problem:${code}`;
  const body = { type, title, status, detail, code, requestId, ...fields };
  return context.body(JSON.stringify(body), status, {
    ...headers,
    ...(retryAfter === undefined ? {} : { "Retry-After": String(retryAfter) }),
    "Content-Type": "application/problem+json",
  });
}

/** The answer for one of the service's own codes. */
export const problem = (
  context: EdgeContext,
  code: ProblemCode,
  particulars: Particulars = {},
): Response => document(context, { ...problems[code], code }, particulars);

const standardMembers = new Set("type title status detail instance code requestId".split(" "));

/** A member of RFC 9457 keeps its meaning: an order's `status` becomes `orderStatus`. */
function ownName(name: string, aggregateType: string): string {
  if (!standardMembers.has(name)) return name;
  const prefix = `${aggregateType.slice(0, 1).toLowerCase()}${aggregateType.slice(1)}`;
  return `${prefix}${name.slice(0, 1).toUpperCase()}${name.slice(1)}`;
}

const sentence = (code: string): string =>
  `${code.slice(0, 1).toUpperCase()}${code.slice(1).replaceAll("-", " ")}`;

/** The answer where the business says no: its type is the code, its fields are members. */
export function rejectionProblem(
  context: EdgeContext,
  rejected: {
    readonly rejection: { readonly type: string };
    readonly reason: RejectionKind;
    readonly aggregateType: string;
  },
): Response {
  const { type: code, ...own } = rejected.rejection;
  const fields: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(own)) {
    fields[ownName(name, rejected.aggregateType)] = value;
  }
  const status = rejected.reason === "not-found" ? 404 : 409;
  const detail = "The command was understood and refused. Nothing was stored.";
  return document(context, { code, status, title: sentence(code), detail }, { fields });
}
