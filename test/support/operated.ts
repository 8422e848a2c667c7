import { createApp } from "#http/app.ts";
import type { LogFields } from "#kernel/log.ts";
import { createOperations } from "#query/operations.ts";
import type { Pool } from "#store/pool.ts";

import { bareDependencies } from "./bare-app.ts";

/**
 * The app with what operators need of it and nothing else, on the caller's database. Its tokens are
 * scopes, `log~read`; `lines` are those of its log that tell of operations.
 */
export function operatedApp(pool: Pool) {
  const lines: LogFields[] = [];
  const silent = (): void => undefined;
  const dependencies = bareDependencies({
    operations: createOperations(pool),
    authenticate: (token) =>
      Promise.resolve({ id: `key:${token}`, scopes: [token.replace("~", ":")] }),
    log: {
      debug: silent,
      info: (fields, message) => void (message === "operation" && lines.push(fields)),
      warn: silent,
      error: (_, message) => {
        throw new Error(message);
      },
    },
  });
  const app = createApp(dependencies);
  /** The status and the body of the answer; a problem without its texts. */
  const ask = async (path: string, init: RequestInit = {}, token = "admin") => {
    const headers = new Headers(init.headers);
    headers.set("Authorization", `Bearer ${token}`);
    headers.set("X-Request-Id", "r-1");
    const answer = await app.request(path, { ...init, headers });
    const body = (await answer.json()) as Record<string, unknown>;
    if (!("type" in body)) return { status: answer.status, ...body };
    const { type: _, title: __, detail: ___, requestId: ____, ...problem } = body;
    return problem;
  };
  /** Sends a body, or none at all. */
  const post = (path: string, body?: unknown, token?: string) =>
    ask(
      path,
      body === undefined
        ? { method: "POST" }
        : {
            method: "POST",
            headers: { "Content-Type": "application/json" },
            body: JSON.stringify(body),
          },
      token,
    );
  return { ask, post, lines };
}
