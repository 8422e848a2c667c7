import { createApp } from "#http/app.ts";
import type { AppDependencies } from "#http/dependencies.ts";
import type { LogFields } from "#kernel/log.ts";
import { createOperations } from "#query/operations.ts";
import type { Pool } from "#store/pool.ts";

const never = (): never => {
  throw new Error("this is no operation");
};

/**
 * The app with what operators need of it and nothing else, on the caller's database. Its tokens are
 * scopes, `log~read`; `lines` are those of its log that tell of operations.
 */
export function operatedApp(pool: Pool) {
  const lines: LogFields[] = [];
  const dependencies: AppDependencies = {
    aggregates: [],
    handle: never,
    reader: { byKey: never, list: never, hint: never },
    streams: { events: never, state: never },
    logReader: { page: never, follow: never, growth: never, hint: never },
    operations: createOperations(pool),
    proofs: { read: never },
    authenticate: (token) =>
      Promise.resolve({ id: `key:${token}`, scopes: [token.replace("~", ":")] }),
    health: never,
    readiness: never,
    liveness: never,
    metrics: never,
    draining: new AbortController().signal,
    idleLimit: never,
    traced: (_, work) => work(),
    traceparent: () => undefined,
    clock: () => 0,
    log: {
      debug: () => undefined,
      info: (fields, message) => void (message === "operation" && lines.push(fields)),
      warn: () => undefined,
      error: never,
    },
  };
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
