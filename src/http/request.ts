import { uuidv7 } from "#kernel/ids.ts";
import type { Logger } from "#kernel/log.ts";

import type { Step } from "./edge.ts";
import { isProbe } from "./health.ts";

/** An id that may stand in a log line and a header as it is. */
const requestIdForm = /^[A-Za-z0-9._-]{1,128}$/;

/**
 * On every answer: nothing is kept by caches, since documents hold personal data and differ with
 * the caller's scopes, and nothing is run or framed by a browser that opens it.
 */
const headers: Readonly<Record<string, string>> = {
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
  "Referrer-Policy": "no-referrer",
  Vary: "Authorization",
  "X-Content-Type-Options": "nosniff",
};

/**
 * Gives the request its id, the caller's own if it is a sane one, and writes one log line when the
 * answer is there: the route's pattern, never the path, which may carry anything.
 */
export const observeRequest =
  (log: Logger): Step =>
  async (context, next) => {
    const startedMs = performance.now();
    const given = context.req.header("X-Request-Id");
    const requestId = given !== undefined && requestIdForm.test(given) ? given : uuidv7();
    context.set("requestId", requestId);
    context.header("X-Request-Id", requestId);
    for (const [header, value] of Object.entries(headers)) context.header(header, value);
    await next();
    const level = isProbe(context.req.path) ? "debug" : "info";
    log[level](
      {
        requestId,
        method: context.req.method,
        route: context.get("route"),
        status: context.res.status,
        durationMs: Math.round((performance.now() - startedMs) * 10) / 10,
        principalId: context.get("principal")?.id,
      },
      "request",
    );
  };
