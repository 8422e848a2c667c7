/**
 * `/admin/dead-letters`: the events that a subscription put aside, and what becomes of them.
 *
 * What it promises: a letter that is tried again keeps its place in front of those behind it, which
 * follow by themselves; one that is discarded never takes effect. Every step is logged with who
 * took it.
 *
 * How it fails: 404 where there is no such letter; 409 `dead-letter-settled` where it does not wait
 * any more, `dead-letter-behind` with the letter in front of it that has to be tried instead.
 *
 * What it does not do: show the event. `GET /log?after=<position - 1>&limit=1` does.
 */
import { z } from "zod";

import type { LetterOutcome, LetterRequest } from "#query/operations.ts";

import { validBody } from "./body.ts";
import type { AppDependencies } from "./dependencies.ts";
import type { EdgeContext, Step } from "./edge.ts";
import { validationFailed } from "./faults.ts";
import { operationRoute, reasonText, tellOperation } from "./operating.ts";
import { checkParameters, integerText, validParameters } from "./parameters.ts";
import { problem } from "./problem.ts";
import type { Route } from "./routes.ts";

/** The longest key of a document, and more than any name or code. */
const text = z.string().max(1_000);

const stored = (name: string) =>
  text.refine((value) => value.isWellFormed() && !value.includes("\0"), `is no ${name}`).optional();

const listParameters = z.strictObject({
  subscription: stored("name"),
  state: z
    .enum(["waiting", "resolved", "discarded"], "must be waiting, resolved or discarded")
    .default("waiting"),
  errorCode: stored("code"),
  key: stored("key"),
  limit: integerText(1, 1_000).default(100),
  cursor: integerText(1).optional(),
});

const retryBody = z.strictObject({
  subscription: text.optional(),
  errorCode: text.optional(),
  key: text.optional(),
});
const discardBody = z.strictObject({ reason: reasonText });

const letterId = integerText(1);

const checkLetterId: Step = (context, next) => {
  const parsed = letterId.safeParse(context.req.param("id"));
  if (parsed.success) return next();
  const faults = parsed.error.issues.map(({ message }) => ({ pointer: "/id", message }));
  return Promise.resolve(validationFailed(context, "path", faults));
};

const idOf = (context: EdgeContext): number => letterId.parse(context.req.param("id"));

/** The refusal of a step that a letter did not allow; undefined where it is done. */
function refusalOf(context: EdgeContext, outcome: LetterOutcome): Response | undefined {
  switch (outcome.kind) {
    case "done":
      return undefined;
    case "unknown":
      return problem(context, "not-found", { detail: "There is no such dead letter." });
    case "settled":
      return problem(context, "dead-letter-settled");
    case "behind":
      return problem(context, "dead-letter-behind", { fields: { headId: outcome.headId } });
  }
}

const listRoute = ({ operations }: AppDependencies): Route => ({
  method: "GET",
  path: "/admin/dead-letters",
  scope: "admin",
  steps: [checkParameters(listParameters)],
  answer: async (context) =>
    context.json(await operations.deadLetters(validParameters(context) as LetterRequest)),
});

/** Every route of dead letters. */
export function deadLetterRoutes(dependencies: AppDependencies): readonly Route[] {
  const { operations } = dependencies;
  const retryAll = async (context: EdgeContext): Promise<Response> => {
    const retried = await operations.retryLetters(validBody(context));
    tellOperation(dependencies, context, { operation: "retry", retried });
    return context.json({ retried });
  };
  const retry = async (context: EdgeContext): Promise<Response> => {
    const id = idOf(context);
    const refusal = refusalOf(context, await operations.retryLetter(id));
    if (refusal !== undefined) return refusal;
    tellOperation(dependencies, context, { operation: "retry", deadLetterId: id });
    return context.json({ id, retried: 1 });
  };
  const discard = async (context: EdgeContext): Promise<Response> => {
    const id = idOf(context);
    const { reason } = validBody(context) as z.output<typeof discardBody>;
    const refusal = refusalOf(context, await operations.discardLetter(id, reason));
    if (refusal !== undefined) return refusal;
    tellOperation(dependencies, context, { operation: "discard", deadLetterId: id });
    return context.json({ id, state: "discarded", reason });
  };
  const path = "/admin/dead-letters";
  const check = checkLetterId;
  return [
    listRoute(dependencies),
    operationRoute({ path: `${path}/retry`, body: retryBody, answer: retryAll }),
    operationRoute({ path: `${path}/:id/retry`, body: z.strictObject({}), check, answer: retry }),
    operationRoute({ path: `${path}/:id/discard`, body: discardBody, check, answer: discard }),
  ];
}
