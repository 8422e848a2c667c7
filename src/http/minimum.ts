/**
 * `Varve-Min-Position` and `Prefer: wait=<seconds>`: a query that must include what its caller has
 * written says how far the view has to be, and how long that may take.
 *
 * What it promises: one step gives the query its minimum, and `viewerOf` hands it to the reader, so
 * that no route can answer without it. A wait ends when its caller goes away or the process drains.
 *
 * How it fails: 422 for a position that is none; `view-behind` and `shutting-down` come from the wait.
 * A preference that cannot be understood is passed over, as RFC 7240 has it.
 */
import { isCode, VarveError } from "#kernel/errors.ts";

import type { EdgeContext, Step } from "./edge.ts";
import { validationFailed } from "./faults.ts";
import { integerText } from "./parameters.ts";
import { preferredWait } from "./prefer.ts";

const MIN_POSITION = "Varve-Min-Position";

/** Seconds (contract): a view that is well follows in a fraction of the first. */
const WAIT_S = 2;
const WAIT_S_MAX = 30;

const position = integerText(0);

/** Fires when the caller goes away or the process drains, with what is thrown then. */
function endOfWait(draining: AbortSignal, gone: AbortSignal) {
  const ended = new AbortController();
  const drain = (): void => ended.abort(new VarveError("shutting-down", "the process drains"));
  const leave = (): void => ended.abort(new VarveError("view-behind", "the caller has gone"));
  draining.addEventListener("abort", drain);
  gone.addEventListener("abort", leave);
  if (draining.aborted) drain();
  if (gone.aborted) leave();
  const release = (): void => {
    draining.removeEventListener("abort", drain);
    gone.removeEventListener("abort", leave);
  };
  return { signal: ended.signal, release };
}

/** Whether the answer could wait for as long as its caller wanted. */
const hasWaited = ({ error }: EdgeContext): boolean =>
  error === undefined || (isCode(error, "view-behind") && error.context["hasWaited"] === true);

/** Gives the query its minimum where its caller asks for one. */
export const takeMinimum =
  (draining: AbortSignal): Step =>
  async (context, next) => {
    const given = context.req.header(MIN_POSITION);
    if (given === undefined) return next();
    const parsed = position.safeParse(given);
    if (!parsed.success) {
      const faults = parsed.error.issues.map(({ message }) => ({
        pointer: `/${MIN_POSITION}`,
        message,
      }));
      return validationFailed(context, "header", faults);
    }
    const preferred = preferredWait(context.req.header("Prefer"));
    const waitS = Math.min(preferred ?? WAIT_S, WAIT_S_MAX);
    const { signal, release } = endOfWait(draining, context.req.raw.signal);
    context.set("minimum", { position: parsed.data, waitMs: waitS * 1_000, signal });
    try {
      await next();
    } finally {
      release();
    }
    if (preferred !== undefined && hasWaited(context)) {
      context.header("Preference-Applied", `wait=${waitS}`);
    }
    return undefined;
  };
