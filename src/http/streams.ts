/**
 * `GET /streams/{aggregate}/{id}` and `…/state`: what one aggregate went through, and what it was.
 *
 * What it promises: events as they are stored, whichever type and version they are of, in the order
 * of their versions or backwards. Personal fields stay sealed, whatever the caller's scopes.
 *
 * How it fails: 404 where there is no such stream, or it was not there yet, or not at that version;
 * 409 `partition-archived` where a month that is needed has to be restored first.
 */
import { z } from "zod";

import type { AnyAggregate } from "#domain/decider.ts";
import { limits } from "#kernel/limits.ts";
import type { EventsRequest, Moment } from "#query/streams.ts";

import type { AppDependencies } from "./dependencies.ts";
import type { EdgeContext } from "./edge.ts";
import { checkParameters, integerText, timeText, validParameters } from "./parameters.ts";
import { checkId, idOf } from "./path.ts";
import { alreadyHas, entityTag } from "./preconditions.ts";
import { problem } from "./problem.ts";
import type { Route } from "./routes.ts";

const eventsParameters = z
  .strictObject({
    fromVersion: integerText(1).optional(),
    toVersion: integerText(1).optional(),
    limit: integerText(1, limits.readEvents).default(100),
    direction: z.enum(["forward", "backward"], "must be forward or backward").default("forward"),
    at: timeText.optional(),
  })
  .refine(({ fromVersion = 1, toVersion = fromVersion }) => fromVersion <= toVersion, {
    path: ["toVersion"],
    message: "must not be less than fromVersion",
  });

const stateParameters = z
  .strictObject({ version: integerText(1).optional(), at: timeText.optional() })
  .refine(({ version, at }) => version === undefined || at === undefined, {
    path: ["at"],
    message: "must not stand beside version",
  });

const noStream = (context: EdgeContext): Response =>
  problem(context, "not-found", { detail: "There is no such stream." });

const eventsRoute = ({ streams }: AppDependencies, aggregate: AnyAggregate): Route => ({
  method: "GET",
  path: `/streams/${aggregate.name}/:id`,
  scope: "streams:read",
  steps: [checkId, checkParameters(eventsParameters)],
  answer: async (context) => {
    const { direction, ...given } = validParameters(context);
    const request = { ...given, newestFirst: direction === "backward" } as EventsRequest;
    const id = idOf(context);
    const found = await streams.events(aggregate, id, request);
    if (found === undefined) return noStream(context);
    context.header("Varve-Position", String(found.head));
    context.header("ETag", entityTag(found.streamVersion));
    if (alreadyHas(context.req.header("If-None-Match"), found.streamVersion)) {
      return context.body(null, 304);
    }
    const { items, nextVersion } = found;
    return context.json({ aggregate: aggregate.name, id, items, nextVersion });
  },
});

const stateRoute = ({ streams }: AppDependencies, aggregate: AnyAggregate): Route => ({
  method: "GET",
  path: `/streams/${aggregate.name}/:id/state`,
  scope: "streams:read",
  steps: [checkId, checkParameters(stateParameters)],
  answer: async (context) => {
    const moment = validParameters(context) as Moment;
    const id = idOf(context);
    const found = await streams.state(aggregate, id, moment);
    if (found === undefined) return noStream(context);
    context.header("Varve-Position", String(found.head));
    const { version, position, state, streamVersion } = found;
    if (version === 0 || version < (moment.version ?? 0)) {
      const missing =
        version === 0
          ? "The stream did not exist at that time."
          : "The stream has not reached that version.";
      return problem(context, "not-found", { detail: missing, fields: { version: streamVersion } });
    }
    context.header("ETag", entityTag(version));
    return context.json({ aggregate: aggregate.name, id, version, position, state });
  },
});

/** The two routes of every aggregate. */
export const streamRoutes = (dependencies: AppDependencies): readonly Route[] =>
  dependencies.aggregates.flatMap((aggregate) => [
    eventsRoute(dependencies, aggregate),
    stateRoute(dependencies, aggregate),
  ]);
