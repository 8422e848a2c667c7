/**
 * The edge: HTTP in, problem documents or answers out.
 *
 * What it is: an app of routes that follow from the aggregates' declarations (`commands.ts`,
 * `queries.ts`, `streams.ts`), that of the log (`log.ts`) and those of operators (`health.ts`,
 * `metrics.ts`, `subscriptions.ts`, `dead-letters.ts`, `proof.ts`), behind three steps that every request takes: it gets an id, a log line and safe
 * headers (`request.ts`); it is turned away while the process drains; and its caller must hold the
 * scope that its route declares (`routes.ts`, `authorise.ts`).
 *
 * What it promises: no request, however made, is answered 500; only a fault of ours is, without
 * detail. A dependency that fails is a 503 with `Retry-After`. Every error is a problem document
 * from the one table in `problem.ts`. A body is read no further than its limit, and nothing of it
 * is logged or repeated but the names of fields. Health answers in time, whatever hangs behind it.
 *
 * What it relies on: the dependencies that `main.ts` gives, each of which ends its own waits, and
 * web standards alone, so that it runs wherever there is `fetch`.
 *
 * How it fails: a declaration that cannot become routes, or a route that does not say who may use
 * it, throws a Defect at the start. At run time nothing leaves `answerFailure` but an answer.
 *
 * What it does not do: listen on a port, speak TLS, limit rates, decide, store or open anything
 * sealed.
 */
import { Hono } from "hono";

import { publicationsOf } from "#domain/publications.ts";
import { invariant } from "#kernel/errors.ts";

import { commandRoutes } from "./commands.ts";
import { deadLetterRoutes } from "./dead-letters.ts";
import type { AppDependencies } from "./dependencies.ts";
import type { Edge, Step } from "./edge.ts";
import { answerFailure } from "./failure.ts";
import { healthRoutes, isProbe } from "./health.ts";
import { logRoutes } from "./log.ts";
import { metricsRoutes } from "./metrics.ts";
import { problem } from "./problem.ts";
import { proofRoutes } from "./proof.ts";
import { queryRoutes } from "./queries.ts";
import { observeRequest } from "./request.ts";
import { addRoutes } from "./routes.ts";
import { streamRoutes } from "./streams.ts";
import { subscriptionRoutes } from "./subscriptions.ts";

/** What can be a segment of a path as it stands. */
const segmentForm = /^[a-z][a-z0-9-]*$/;

function assertNames(aggregates: AppDependencies["aggregates"]): void {
  const views = aggregates.flatMap((aggregate) => aggregate.views.map(({ name }) => name));
  // Both are subscriptions, and each has its checkpoint under its name.
  const subscriptions = publicationsOf(aggregates)
    .map(({ name }) => name)
    .concat(views);
  const names = aggregates.map(({ name }) => name);
  const types = aggregates.map(({ type }) => type);
  // Views choose their events by type alone.
  const events = aggregates.flatMap((aggregate) => Object.keys(aggregate.events));
  const commands = aggregates.flatMap((aggregate) => Object.keys(aggregate.commands));
  for (const name of [...names, ...subscriptions, ...commands]) {
    invariant(segmentForm.test(name), `${name} cannot be a segment of a path`);
  }
  for (const list of [names, types, events, subscriptions]) {
    const again = list.find((name, index) => list.indexOf(name) < index);
    invariant(again === undefined, `${again} stands for two things`);
  }
}

const turnAway =
  (draining: AbortSignal): Step =>
  async (context, next) =>
    draining.aborted && !isProbe(context.req.path) ? problem(context, "shutting-down") : next();

/** The app, ready to be served: `app.fetch`. Throws a Defect for declarations that do not fit. */
export function createApp(dependencies: AppDependencies): Hono<Edge> {
  assertNames(dependencies.aggregates);
  const app = new Hono<Edge>();
  app.use(observeRequest(dependencies.log));
  app.use(turnAway(dependencies.draining));
  addRoutes(
    app,
    [
      healthRoutes,
      metricsRoutes,
      commandRoutes,
      queryRoutes,
      streamRoutes,
      logRoutes,
      subscriptionRoutes,
      deadLetterRoutes,
      proofRoutes,
    ].flatMap((routesOf) => routesOf(dependencies)),
    dependencies,
  );
  app.notFound((context) => problem(context, "not-found"));
  app.onError(answerFailure(dependencies.log));
  return app;
}
