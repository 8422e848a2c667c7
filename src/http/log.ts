/**
 * `GET /log`: the global log by position, in pages, or as a live feed for those who accept
 * `text/event-stream`.
 *
 * What it promises: pages that follow `nextAfter` have every event once, in order. An empty page is
 * the end only where `nextAfter` is `head`: the search for rare types stops after a bounded stretch
 * and goes on with the next request. Personal fields stay sealed, whatever the caller's scopes.
 *
 * How it fails: 409 `partition-archived` where the next event lies in an archived month; 503
 * `too-many-feeds` where this instance has no feed left.
 */
import { accepts } from "hono/accepts";
import { z } from "zod";

import { limits } from "#kernel/limits.ts";
import type { LogAnswer, LogRequest } from "#query/log.ts";

import type { AppDependencies } from "./dependencies.ts";
import { type EdgeContext, principalOf } from "./edge.ts";
import { tellFailure } from "./failure.ts";
import { validationFailed } from "./faults.ts";
import { openFeed } from "./feed.ts";
import { checkParameters, integerText, validParameters } from "./parameters.ts";
import { problem } from "./problem.ts";
import type { Route } from "./routes.ts";

/** More than a service has; a longer list is another thing. */
const TYPES_MAX = 50;
/** A connection whose feed has ended must take the rest within this, or it is cut. */
const LEAVE_S = 2;

const LAST_ID = "Last-Event-ID";

const position = integerText(0);

const types = z
  .string()
  .transform((text) => text.split(","))
  .pipe(
    z
      .array(z.string().regex(/^[A-Za-z][\w.-]{0,127}$/, "must be names of event types, by commas"))
      .max(TYPES_MAX),
  );

const parameters = z.strictObject({
  after: position.default(0),
  limit: integerText(1, limits.readEvents).default(100),
  types: types.optional(),
});

const kinds = ["application/json", "text/event-stream"];

/** A HEAD gets the headers of a page: a stream that nobody reads would stay open. */
const wantsFeed = (context: EdgeContext): boolean =>
  context.req.raw.method === "GET" &&
  accepts(context, { header: "Accept", supports: kinds, default: kinds[0] ?? "" }) === kinds[1];

/** Where the feed starts: after what its reader has had, or the refusal of an id that is none. */
function resumed(context: EdgeContext, request: LogRequest): LogRequest | Response {
  const given = context.req.header(LAST_ID) ?? "";
  if (given === "") return request;
  const after = position.safeParse(given);
  if (after.success) return { ...request, after: after.data };
  const faults = after.error.issues.map(({ message }) => ({ pointer: `/${LAST_ID}`, message }));
  return validationFailed(context, "header", faults);
}

/** Positions past the end would be given to other events than those that the reader means. */
function pastEnd(context: EdgeContext): Response {
  const isResumed = (context.req.header(LAST_ID) ?? "") !== "";
  const message = "must not be past the end of the log";
  return isResumed
    ? validationFailed(context, "header", [{ pointer: `/${LAST_ID}`, message }])
    : validationFailed(context, "query", [{ pointer: "/after", message }]);
}

function createFeeds({ logReader, log, draining, idleLimit }: AppDependencies) {
  let open = 0;

  const start = (context: EdgeContext, request: LogRequest, first: LogAnswer): Response => {
    const { raw } = context.req;
    const fields = { requestId: context.get("requestId"), route: context.get("route") };
    const principalId = principalOf(context).id;
    idleLimit(raw, 0);
    const stream = openFeed({
      log: logReader,
      request,
      first,
      beatMs: limits.feedBeatMs,
      mayStill: context.get("mayStill"),
      closing: draining,
      onFailure: (error) => tellFailure(log, error, fields),
      onEnd: (reason) => {
        open -= 1;
        idleLimit(raw, LEAVE_S);
        log.info({ ...fields, principalId, reason }, "feed ended");
      },
    });
    return context.body(stream, 200, {
      "Content-Type": "text/event-stream",
      // Proxies that collect answers would keep events back.
      "X-Accel-Buffering": "no",
      "Varve-Position": String(first.head),
    });
  };

  return async (context: EdgeContext, asked: LogRequest): Promise<Response> => {
    const request = resumed(context, asked);
    if (request instanceof Response) return request;
    if (open >= limits.feeds) return problem(context, "too-many-feeds");
    open += 1;
    let isStarted = false;
    try {
      const first = await logReader.follow(request);
      if (request.after > first.head) return pastEnd(context);
      isStarted = true;
      return start(context, request, first);
    } finally {
      if (!isStarted) open -= 1;
    }
  };
}

/** The route of the log. */
export function logRoutes(dependencies: AppDependencies): readonly Route[] {
  const answerFeed = createFeeds(dependencies);
  const answer = async (context: EdgeContext): Promise<Response> => {
    context.header("Vary", "Authorization, Accept");
    const request = validParameters(context) as LogRequest;
    if (wantsFeed(context)) return answerFeed(context, request);
    const page = await dependencies.logReader.page(request);
    return context.json(page, 200, { "Varve-Position": String(page.head) });
  };
  return [
    {
      method: "GET",
      path: "/log",
      scope: "log:read",
      steps: [checkParameters(parameters)],
      answer,
    },
  ];
}
