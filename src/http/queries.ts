import { z } from "zod";

import type { View, ViewList } from "#domain/decider.ts";
import { invariant } from "#kernel/errors.ts";
import { decodeCursor } from "#query/cursor.ts";
import type { ListRequest, Viewer } from "#query/read.ts";

import { holds } from "./authorise.ts";
import type { AppDependencies } from "./dependencies.ts";
import { type EdgeContext, principalOf } from "./edge.ts";
import { takeMinimum } from "./minimum.ts";
import { checkParameters, integerText, validParameters } from "./parameters.ts";
import { checkId, idOf } from "./path.ts";
import { alreadyHas, entityTag } from "./preconditions.ts";
import { problem } from "./problem.ts";
import type { Route } from "./routes.ts";

/** Who looks, and how far the view must be for them. */
function viewerOf(context: EdgeContext): Viewer {
  const minimum = context.get("minimum");
  const mayReadPersonal = holds(principalOf(context), "pii:read");
  return { mayReadPersonal, ...(minimum === undefined ? {} : { minimum }) };
}

/** `GET /queries/{view}/{id}`: one document. */
const documentRoute = ({ reader }: AppDependencies, view: View): Route => ({
  method: "GET",
  path: `/queries/${view.name}/:id`,
  scope: `queries:${view.name}`,
  steps: [checkId],
  answer: async (context) => {
    const found = await reader.byKey(view, idOf(context), viewerOf(context));
    context.header("Varve-Position", String(found.position));
    if (found.document === undefined) {
      const detail = "There is no such document, or the view has not reached it yet.";
      return problem(context, "not-found", { detail });
    }
    context.header("ETag", entityTag(found.version));
    if (alreadyHas(context.req.header("If-None-Match"), found.version)) {
      return context.body(null, 304);
    }
    return context.json(found.document);
  },
});

/** A cursor holds a key of at most 1,000 bytes, each up to six in JSON, and a position; base64. */
const CURSOR_CHARS = 8_200;

const noCursor = "is no cursor of this list";

const cursor = z
  .string()
  .max(CURSOR_CHARS, { error: noCursor, abort: true })
  .transform((text, context) => {
    const decoded = decodeCursor(text);
    if (decoded === undefined) context.addIssue(noCursor);
    return decoded;
  })
  .optional();

const filtersOf = (list: ViewList) =>
  Object.fromEntries(
    Object.entries(list.filters).map(([name, { schema }]) => [name, schema.optional()]),
  );

function parametersOf(list: ViewList) {
  const filters = filtersOf(list);
  invariant(!("limit" in filters) && !("cursor" in filters), "limit and cursor are no filters");
  const limit = integerText(1, list.limitMax).default(list.limitDefault);
  return z.strictObject({ ...filters, limit, cursor });
}

function listRequest(list: ViewList, parameters: Readonly<Record<string, unknown>>): ListRequest {
  const { limit, cursor: after } = parameters as unknown as {
    limit: number;
    cursor?: NonNullable<ListRequest["after"]>;
  };
  const filters = Object.entries(list.filters).flatMap(([name, { field, compare }]) => {
    const value = parameters[name];
    if (value === undefined) return [];
    // Documents are compared as text.
    invariant(typeof value === "string", `the filter ${name} is not text`);
    return [{ field, compare, value }];
  });
  return { filters, limit, ...(after === undefined ? {} : { after }) };
}

/** `GET /queries/{view}`: a page of documents, by the view's filters. */
function listRoute({ reader }: AppDependencies, view: View, list: ViewList): Route {
  return {
    method: "GET",
    path: `/queries/${view.name}`,
    scope: `queries:${view.name}`,
    steps: [checkParameters(parametersOf(list))],
    answer: async (context) => {
      const request = listRequest(list, validParameters(context));
      const { position, items, nextCursor } = await reader.list(view, request, viewerOf(context));
      return context.json({ items, nextCursor }, 200, { "Varve-Position": String(position) });
    },
  };
}

/** The routes of every view, as it declares itself; each takes a minimum. */
export const queryRoutes = (dependencies: AppDependencies): readonly Route[] =>
  dependencies.aggregates
    .flatMap(({ views }) => views)
    .flatMap((view) => [
      ...(view.list === undefined ? [] : [listRoute(dependencies, view, view.list)]),
      ...(view.byKey ? [documentRoute(dependencies, view)] : []),
    ])
    .map(({ steps = [], ...route }) => ({
      ...route,
      steps: [...steps, takeMinimum(dependencies.draining)],
    }));
