import { z } from "zod";

import { bodySteps } from "./body.ts";
import type { AppDependencies } from "./dependencies.ts";
import { type EdgeContext, principalOf, type Step } from "./edge.ts";
import type { Route } from "./routes.ts";

/** Why, in a sentence, for whoever finds it. */
export const reasonText = z
  .string()
  .trim()
  .min(1, "must not be empty")
  .max(500, "must have at most 500 characters");

type Operation = {
  readonly path: string;
  /** What it takes; no body at all is as good as `{}`. */
  readonly body: z.ZodObject;
  /** Before the body is read. */
  readonly check?: Step;
  readonly answer: Route["answer"];
};

/** The route of a step that an operator takes. */
export const operationRoute = ({ path, body, check, answer }: Operation): Route => ({
  method: "POST",
  path,
  scope: "admin",
  steps: [...(check === undefined ? [] : [check]), ...bodySteps({ body, mayBeEmpty: true })],
  answer,
});

/** Writes down who did what. Texts of the caller are not among the fields. */
export function tellOperation(
  { log }: Pick<AppDependencies, "log">,
  context: EdgeContext,
  fields: Readonly<Record<string, string | number | null>>,
): void {
  const requestId = context.get("requestId");
  const principalId = principalOf(context).id;
  log.info({ requestId, principalId, route: context.get("route"), ...fields }, "operation");
}
