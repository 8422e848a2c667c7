import type { ErrorHandler } from "hono";

import { isCode, VarveError } from "#kernel/errors.ts";
import type { LogFields, Logger } from "#kernel/log.ts";

import type { Edge } from "./edge.ts";
import { failures, problem, type Particulars, type ProblemCode } from "./problem.ts";

/** Logs what was thrown, once, as loudly as the operator must hear it. Gives its problem's code. */
export function tellFailure(log: Logger, error: unknown, fields: LogFields): ProblemCode {
  const expected = error instanceof VarveError ? failures[error.code] : undefined;
  const [code, severity] = expected ?? (["internal", "alert"] as const);
  const told = { ...fields, error };
  if (severity === "warn") log.warn(told, "a request failed");
  else if (severity === "error") log.error(told, "a request failed");
  else if (severity === "alert") log.error({ ...told, alert: true }, "a request met a defect");
  return code;
}

/** How far the view is, and, where there was no room to wait, that there was none. */
function behind({ context }: VarveError): Particulars {
  const { position, wanted, hasWaited } = context;
  const fields = { position, wanted };
  if (hasWaited !== false) return { fields };
  return { fields, detail: "This instance lets no more queries wait for a view. Try again." };
}

/**
 * What a problem says beside its code: of a view how far it is; of archived months their names, and how they come back; of
 * events that are newer than this program, that the database is well.
 */
function particularsOf(error: unknown): Particulars {
  if (isCode(error, "schema-behind")) {
    return { detail: "A newer release has stored what this needs. Try again until it answers." };
  }
  if (isCode(error, "view-behind")) return behind(error);
  const named = isCode(error, "partition-archived") ? error.context["partition"] : undefined;
  if (typeof named !== "string") return {};
  const partitions = named.split(" ");
  const verbs = partitions.map((name) => `varve partitions restore ${name}`);
  const detail = `Events that this needs are archived. To bring them back: ${verbs.join("; ")}.`;
  return { detail, fields: { partitions } };
}

/**
 * The one place where what was thrown becomes an answer. Each is logged once, with the request's
 * id; what nobody expected is answered without detail.
 */
export const answerFailure =
  (log: Logger): ErrorHandler<Edge> =>
  (error, context) => {
    const fields = { requestId: context.get("requestId"), route: context.get("route") };
    return problem(context, tellFailure(log, error, fields), particularsOf(error));
  };
