import { identifier } from "#kernel/ids.ts";

import type { EdgeContext, Step } from "./edge.ts";
import { validationFailed } from "./faults.ts";

/** Refuses an id in the path that cannot be one of ours; it is not repeated. */
export const checkId: Step = (context, next) => {
  const parsed = identifier.safeParse(context.req.param("id"));
  if (parsed.success) return next();
  const faults = parsed.error.issues.map(({ message }) => ({ pointer: "/id", message }));
  return Promise.resolve(validationFailed(context, "path", faults));
};

/** The id in the path, after `checkId`. */
export const idOf = (context: EdgeContext): string => context.req.param("id") ?? "";
