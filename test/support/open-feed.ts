import { openFeed, type FeedOptions } from "#http/feed.ts";
import { createLogReader, type LogReader } from "#query/log.ts";
import type { Pool } from "#store/pool.ts";

import { messagesOf } from "./feed.ts";

/** Short, so that a test sees beats; long enough for a read of a busy machine. */
export const beatMs = 600;

/** A feed over the store, as the edge opens it, with what it told. */
export async function startFeed(
  pool: Pool,
  changed: Partial<FeedOptions> & { readonly log?: LogReader } = {},
) {
  const log = changed.log ?? createLogReader(pool);
  const request = changed.request ?? { after: 0, limit: 100 };
  const [ends, failures]: [string[], unknown[]] = [[], []];
  const stream = openFeed({
    log,
    request,
    first: await log.page(request),
    beatMs,
    mayStill: () => Promise.resolve(true),
    closing: new AbortController().signal,
    onFailure: (error) => {
      failures.push(error);
      return "failed";
    },
    onEnd: (reason) => ends.push(reason),
    ...changed,
  });
  return { log, stream, messages: messagesOf(new Response(stream)), ends, failures };
}
