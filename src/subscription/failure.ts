/**
 * What a failure is: a category, which decides what happens next, and a severity, which decides who
 * should look.
 *
 * - `infrastructure`: something that the subscription depends on does not work (database, broker, key
 *   store, receiver). It says nothing of the event: the subscription pauses and goes on by itself.
 * - `transient`: this attempt failed and the next may not (a call that took too long, a deadlock). The
 *   event is tried again, and put aside after its last retry.
 * - `application`: the subscription's own code failed on the event. As transient: most code that
 *   throws does so again, but a retry costs little.
 * - `permanent`: the event cannot be taken by this program, however often it is tried.
 */
import { Defect, type ErrorCode, VarveError } from "#kernel/errors.ts";

export type ErrorCategory = "transient" | "permanent" | "infrastructure" | "application";
export type ErrorSeverity = "low" | "medium" | "high" | "critical";

export type Classified = {
  readonly code: string;
  readonly category: ErrorCategory;
  readonly severity: ErrorSeverity;
};

type Verdict = readonly [ErrorCategory, ErrorSeverity];

/** Everything that the store, the keys and the receivers can say. */
const verdicts: Readonly<Partial<Record<ErrorCode, Verdict>>> = {
  "database-unavailable": ["infrastructure", "high"],
  "database-timeout": ["infrastructure", "medium"],
  "database-refused": ["infrastructure", "critical"],
  "invalid-data": ["permanent", "high"],
  "outcome-unknown": ["infrastructure", "high"],
  "shutting-down": ["infrastructure", "low"],
  "partition-missing": ["infrastructure", "high"],
  "partition-archived": ["infrastructure", "high"],
  "service-unavailable": ["infrastructure", "medium"],
  "dependency-unavailable": ["infrastructure", "medium"],
  "delivery-failed": ["application", "medium"],
  "delivery-refused": ["permanent", "high"],
  "configuration-invalid": ["infrastructure", "critical"],
  "master-key-unknown": ["infrastructure", "critical"],
  "lease-lost": ["transient", "low"],
  "handler-timeout": ["transient", "medium"],
  "handler-crashed": ["permanent", "critical"],
  "event-not-wanted": ["permanent", "low"],
  "schema-behind": ["permanent", "high"],
  "upcast-failed": ["permanent", "high"],
  "key-missing": ["permanent", "critical"],
  "sealed-value-malformed": ["permanent", "critical"],
  "sealed-value-wrong-key": ["permanent", "critical"],
  "sealed-value-tampered": ["permanent", "critical"],
};

/** A serialisation failure or a deadlock: this attempt lost, and the next may not. */
const transientStates = ["40001", "40P01"];

/** What the engines call a connection that is not to be had; `code` of their errors. */
const connectionCodes = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EPIPE",
  "ETIMEDOUT",
  "ConnectionRefused",
  "ConnectionClosed",
  "FailedToOpenSocket",
  "UND_ERR_SOCKET",
  "UND_ERR_CONNECT_TIMEOUT",
]);

const codeOf = (error: unknown): unknown =>
  typeof error === "object" && error !== null ? Reflect.get(error, "code") : undefined;

/** Classifies what a subscription's step has thrown. `ownCode` names what its own code throws. */
export function classify(error: unknown, ownCode = "handler-failed"): Classified {
  if (error instanceof VarveError) {
    const { code, context } = error;
    const isRace = transientStates.some((state) => context["sqlState"] === state);
    const [category, severity] = verdicts[code] ?? ["application", "medium"];
    return { code, category: isRace ? "transient" : category, severity };
  }
  if (error instanceof Defect)
    return { code: "defect", category: "permanent", severity: "critical" };
  const code = codeOf(error);
  const cause = error instanceof Error ? codeOf(error.cause) : undefined;
  if ([code, cause].some((one) => typeof one === "string" && connectionCodes.has(one))) {
    return { code: "dependency-unavailable", category: "infrastructure", severity: "medium" };
  }
  const isLate = error instanceof Error && /^(?:TimeoutError|AbortError)$/.test(error.name);
  if (isLate) return { code: "handler-timeout", category: "transient", severity: "medium" };
  return { code: ownCode, category: "application", severity: "medium" };
}

/** One failure, as hooks and the log are told of it. No message: messages can quote values. */
export type Failure = Classified & {
  readonly subscription: string;
  readonly partition: number;
  /** Of the event; undefined where no event is at fault. */
  readonly position?: number;
  readonly eventId?: string;
  readonly eventType?: string;
  /** Of this event, 1 at the first; in a row, where no event is at fault. */
  readonly attempt: number;
  /** What happens next. */
  readonly outcome: "retried" | "put-aside" | "stopped" | "paused" | "found";
};
