import type { ErrorHandler } from "hono";

import { VarveError } from "#kernel/errors.ts";
import type { Logger } from "#kernel/log.ts";

import type { Edge } from "./edge.ts";
import { failures, problem } from "./problem.ts";

/**
 * The one place where what was thrown becomes an answer. Each is logged once, with the request's
 * id; what nobody expected is answered without detail.
 */
export const answerFailure =
  (log: Logger): ErrorHandler<Edge> =>
  (error, context) => {
    const expected = error instanceof VarveError ? failures[error.code] : undefined;
    const [code, severity] = expected ?? (["internal", "alert"] as const);
    const fields = { requestId: context.get("requestId"), route: context.get("route"), error };
    if (severity === "warn") log.warn(fields, "a request failed");
    else if (severity === "error") log.error(fields, "a request failed");
    else if (severity === "alert") log.error({ ...fields, alert: true }, "a request met a defect");
    return problem(context, code);
  };
