/**
 * `POST /commands/{aggregate}/{id}/{command}`: a route for each command of each aggregate.
 *
 * What it promises: a 2xx is a command that is stored for good; every other answer but
 * `outcome-unknown` is one that stored nothing. Checks run in this order, the first refusal is the
 * answer: who calls, which command, the id, the body's kind, its length, its JSON, its schema, the
 * command's own check, the preconditions, the business.
 *
 * What it relies on: the aggregates' declarations alone. A new aggregate changes nothing here.
 *
 * How it fails: as the table in `problem.ts` says. A rejection answers 409, or 404 where the
 * business says that there is no such thing; its type is the code.
 *
 * What it does not do: decide, seal or store; that is the command handler's.
 */
import type { CommandOutcome } from "#command/handle.ts";
import type { AnyAggregate, CommandDefinition } from "#domain/decider.ts";
import { utcMicros } from "#kernel/clock.ts";

import { bodySteps, validBody } from "./body.ts";
import type { AppDependencies } from "./dependencies.ts";
import { type EdgeContext, principalOf } from "./edge.ts";
import { validationFailed } from "./faults.ts";
import { checkId, idOf } from "./path.ts";
import { entityTag, expectation } from "./preconditions.ts";
import { problem, rejectionProblem } from "./problem.ts";
import type { Route } from "./routes.ts";

const keyForm = /^[\x21-\x7e]{1,255}$/;

type Accepted = Extract<CommandOutcome, { kind: "accepted" }>;

/** Whether the document of that view can be read under the aggregate's id. */
const hasDocument = (aggregates: readonly AnyAggregate[], name: string): boolean =>
  aggregates.some(({ views }) => views.some((view) => view.name === name && view.byKey));

function acceptedAnswer(
  context: EdgeContext,
  aggregate: AnyAggregate,
  {
    version,
    position,
    events,
    replayed,
    location,
  }: Accepted & { readonly location: string | undefined },
): Response {
  const body = { aggregate: aggregate.name, id: idOf(context), version, position, events };
  return context.json(body, events[0]?.version === 1 ? 201 : 200, {
    ETag: entityTag(version),
    "Varve-Position": String(position),
    ...(location === undefined ? {} : { Location: location }),
    ...(replayed ? { "Idempotency-Replayed": "true" } : {}),
  });
}

function commandRoute(
  dependencies: AppDependencies,
  aggregate: AnyAggregate,
  [command, definition]: readonly [string, CommandDefinition],
): Route {
  const { handle, clock, traceparent } = dependencies;
  const isReadable = hasDocument(dependencies.aggregates, aggregate.name);

  const answer = async (context: EdgeContext): Promise<Response> => {
    const at = utcMicros(new Date(clock()).toISOString());
    const body = validBody(context);
    const faults = definition.check?.(body as never, at) ?? [];
    if (faults.length > 0) return validationFailed(context, "body", faults);
    const expected = expectation(context);
    if (expected instanceof Response) return expected;

    const key = context.req.header("Idempotency-Key");
    if (key !== undefined && !keyForm.test(key)) return problem(context, "invalid-idempotency-key");

    const aggregateId = idOf(context);
    const principal = principalOf(context).id;
    const trace = traceparent();
    const outcome = await handle({
      aggregate,
      aggregateId,
      command,
      body,
      at,
      ...expected,
      ...(key === undefined ? {} : { idempotency: { principal, key } }),
      metadata: {
        requestId: context.get("requestId"),
        actor: principal,
        ...(trace === undefined ? {} : { traceparent: trace }),
      },
    });
    switch (outcome.kind) {
      case "accepted": {
        const path = `/queries/${aggregate.name}/${encodeURIComponent(aggregateId)}`;
        const location = isReadable ? path : undefined;
        return acceptedAnswer(context, aggregate, { ...outcome, location });
      }
      case "rejected":
        return rejectionProblem(context, { ...outcome, aggregateType: aggregate.type });
      case "version-mismatch":
      case "version-conflict":
        return problem(context, outcome.kind, { fields: { version: outcome.version } });
      case "idempotency-key-reused":
      case "idempotency-in-progress":
        return problem(context, outcome.kind);
    }
  };
  return {
    method: "POST",
    path: `/commands/${aggregate.name}/:id/${command}`,
    scope: `commands:${aggregate.name}`,
    steps: [checkId, ...bodySteps(definition)],
    answer,
  };
}

const unknownCommand = (context: EdgeContext): Response => problem(context, "unknown-command");

/** Every command's route, and those that tell a caller that there is no such command. */
export const commandRoutes = (dependencies: AppDependencies): readonly Route[] => [
  ...dependencies.aggregates.flatMap((aggregate) => [
    ...Object.entries(aggregate.commands).map((entry) =>
      commandRoute(dependencies, aggregate, entry),
    ),
    {
      method: "POST" as const,
      path: `/commands/${aggregate.name}/:id/:command`,
      scope: `commands:${aggregate.name}` as const,
      answer: unknownCommand,
    },
  ]),
  // Who may not send commands of every kind is not told which kinds there are.
  {
    method: "POST",
    path: "/commands/:aggregate/:id/:command",
    scope: "commands:*",
    answer: unknownCommand,
  },
];
