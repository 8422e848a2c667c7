import type { Hono } from "hono";

import { invariant } from "#kernel/errors.ts";

import { authorise, type Scope } from "./authorise.ts";
import type { AppDependencies } from "./dependencies.ts";
import type { Edge, EdgeContext, Step } from "./edge.ts";
import { problem } from "./problem.ts";

export type Route = {
  readonly method: "GET" | "POST";
  readonly path: string;
  /** Who may. A route without it does not start. */
  readonly scope: Scope;
  /** Run after the caller is known, in order; each may answer instead. */
  readonly steps?: readonly Step[];
  /** Runs as a span. */
  readonly answer: (context: EdgeContext) => Response | Promise<Response>;
};

const scopeForm = /^(?:public|admin|[a-z-]+:(?:[a-z0-9-]+|\*))$/;

/** Where steps stand that every request takes. */
const everywhere = "/*";

/** GET answers HEAD as well. */
const allowed = (methods: readonly string[]): string =>
  methods.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method])).join(", ");

/**
 * Gives the app its routes; other methods on their paths are answered 405. Throws a Defect for a
 * route that does not say who may use it, and where the app has one already that nobody asked.
 */
export function addRoutes(
  app: Hono<Edge>,
  routes: readonly Route[],
  { authenticate, traced }: Pick<AppDependencies, "authenticate" | "traced">,
): void {
  const isOpen = app.routes.some(({ path }) => path !== everywhere);
  invariant(!isOpen, "a route was put into the app beside the list that demands a scope");
  const methodsOf = new Map<string, string[]>();
  for (const { method, path, scope, steps = [], answer } of routes) {
    const called = `${method} ${path}`;
    invariant(scopeForm.test(scope), `the route ${called} declares no scope`);
    const named: Step = (context, next) => {
      context.set("route", path);
      return next();
    };
    const answered: Step = (context) => traced(called, async () => answer(context));
    app.on(method, path, named, authorise(scope, authenticate), ...steps, answered);
    methodsOf.set(path, [...(methodsOf.get(path) ?? []), method]);
  }
  for (const [path, methods] of methodsOf) {
    app.all(path, (context) => {
      context.set("route", path);
      const headers = { Allow: allowed(methods) };
      return problem(context, "method-not-allowed", { headers });
    });
  }
}
