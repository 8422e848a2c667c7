import { zValidator } from "@hono/zod-validator";
import { z } from "zod";

import { utcMicros } from "#kernel/clock.ts";

import type { EdgeContext, Step } from "./edge.ts";
import { schemaFaults, validationFailed } from "./faults.ts";

/** An integer as a parameter carries it. */
export function integerText(min: number, max: number = Number.MAX_SAFE_INTEGER) {
  const error = `must be an integer from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,16}$/, { error, abort: true })
    .transform(Number)
    .pipe(z.number().min(min, error).max(max, error));
}

const noTime = "must be an ISO 8601 time with an offset";

/** A plus sign that was not escaped arrives as a blank, as in forms. */
const lostPlus = / \d{2}(:?\d{2})?$/;

/**
 * A time with an offset, made UTC with microseconds; what is finer is dropped, as no event is stored
 * between two of them. Years that the database cannot hold are refused.
 */
export const timeText = z.iso
  .datetime({
    offset: true,
    abort: true,
    error: ({ input }) => (lostPlus.test(String(input)) ? `${noTime}; write + as %2B` : noTime),
  })
  .max(40)
  .transform(utcMicros)
  .refine((time) => /^(?!0000)\d{4}-/.test(time), "must lie in the years 0001 to 9999");

/**
 * Refuses parameters that the declaration does not know or allow; `validParameters` has the others.
 * One that is given empty is one that is not given.
 */
export function checkParameters(declared: z.ZodObject): Step {
  const given = (parameters: unknown): unknown =>
    Object.fromEntries(
      Object.entries(parameters as Record<string, unknown>).filter(
        ([name, value]) => value !== "" || !Object.hasOwn(declared.shape, name),
      ),
    );
  return zValidator("query", z.preprocess(given, declared), (result, context) => {
    if (result.success) return undefined;
    const sent = result.data as Readonly<Record<PropertyKey, unknown>>;
    const issues = result.error.issues.map((issue) =>
      Array.isArray(sent[issue.path[0] ?? ""])
        ? { ...issue, message: "must be given once" }
        : issue,
    );
    const faults = schemaFaults(declared, new z.ZodError(issues));
    return validationFailed(context as EdgeContext, "query", faults);
  }) as unknown as Step;
}

/** The parameters that `checkParameters` let through. */
export const validParameters = (context: EdgeContext): Readonly<Record<string, unknown>> =>
  context.req.valid("query" as never);
