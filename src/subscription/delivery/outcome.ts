/**
 * How a delivery fails: three codes, and what may be told of them.
 *
 *   dependency-unavailable   nobody was there to judge the event: the same again, later
 *   delivery-failed          the receiver broke over this event; another attempt may help
 *   delivery-refused         the receiver, or what lies before it, will never take this event
 *
 * What is told is the target's name and a reason from a closed set: a word of the runtime, a status,
 * a number. Never the address, a header, or what was sent or answered, and no cause: messages of
 * clients repeat addresses, and an address may hold a secret.
 */
import { type ErrorContext, VarveError } from "#kernel/errors.ts";

/** What `reason` may be: the name or code of an error, as runtimes write them. */
const wordForm = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;

/** The code of an error, else its name; `unknown` for anything that is not one word. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  const code = "code" in error ? error.code : undefined;
  const word = typeof code === "string" ? code : error.name;
  return wordForm.test(word) ? word : "unknown";
}

/** Safe to repeat: a target recognises an event by its id. */
export const unavailable = (target: string, context: ErrorContext): VarveError =>
  new VarveError("dependency-unavailable", `the target of ${target} is not available`, {
    target,
    ...context,
  });

export const failed = (target: string, context: ErrorContext): VarveError =>
  new VarveError("delivery-failed", `the target of ${target} failed on an event`, {
    target,
    ...context,
  });

export const refused = (target: string, context: ErrorContext): VarveError =>
  new VarveError("delivery-refused", `the target of ${target} refused an event`, {
    target,
    ...context,
  });
