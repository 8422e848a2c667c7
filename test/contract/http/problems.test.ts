import { afterAll, beforeAll, expect, test } from "bun:test";

import { createApp } from "#http/app.ts";
import type { AppDependencies } from "#http/dependencies.ts";
import { failures, problems } from "#http/problem.ts";
import { Defect, type ErrorCode, VarveError } from "#kernel/errors.ts";
import { createApiKeyLookup } from "#store/api-keys.ts";
import { openPool } from "#store/pool.ts";

import { json, openTestApp, type TestApp } from "#test/app.ts";
import { createBody } from "#test/unit/orders/samples.ts";

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app.close());

type Line = Readonly<Record<string, unknown>>;

/** The lines that are logged while the work runs. */
async function logged(work: () => Promise<unknown>): Promise<readonly Line[]> {
  const before = app.logText().length;
  await work();
  const lines = app.logText().slice(before).trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as Line);
}

/** The answer of an app whose callers cannot be known because of that failure. */
function answerOf(thrown: Error): Promise<Response> {
  const authenticate: AppDependencies["authenticate"] = () => Promise.reject(thrown);
  const failing = createApp({ ...app.dependencies, authenticate });
  const headers = { Authorization: `Bearer ${app.fullKey}`, "X-Request-Id": "failing" };
  return Promise.resolve(failing.request("/queries/orders", { headers }));
}

const withoutDetail = new Set(["internal", "invalid-data"]);

for (const [error, [code, severity]] of Object.entries(failures)) {
  test(`a failure with the code ${error} is answered as ${code} and logged as ${severity}`, async () => {
    let answer = new Response();
    const secret = "what the message says";
    const lines = await logged(async () => {
      answer = await answerOf(new VarveError(error as ErrorCode, secret, { sqlState: "XX000" }));
    });
    const { status, title } = problems[code];
    const body = (await answer.json()) as Line;
    expect(body).toEqual({
      type: `urn:varve:problem:${code}`,
      title,
      status,
      code,
      requestId: "failing",
      ...(withoutDetail.has(code) ? {} : { detail: expect.any(String) as unknown }),
    });
    expect(JSON.stringify(body)).not.toContain(secret);
    expect(answer.status).toBe(status);
    expect(answer.headers.has("Retry-After")).toBe(status === 503);
    const told = lines.filter(({ message }) => message !== "request");
    const level = severity === "alert" ? "error" : severity;
    expect(told.map((line) => [line["level"], line["requestId"], line["alert"]])).toEqual(
      severity === "none" ? [] : [[level, "failing", severity === "alert" ? true : undefined]],
    );
  });
}

test("a problem does not blame the database when a newer release stored what is needed", async () => {
  const newer = await answerOf(new VarveError("schema-behind", "not told", { position: 1 }));
  const gone = await answerOf(new VarveError("database-unavailable", "not told"));
  const { detail, ...same } = (await newer.json()) as Line;
  const { detail: others, ...expected } = (await gone.json()) as Line;
  expect([newer.headers.get("Retry-After"), same, detail]).toEqual([
    gone.headers.get("Retry-After"),
    expected,
    "A newer release has stored what this needs. Try again until it answers.",
  ]);
  expect(detail).not.toBe(others);
});

test("a fault of ours is 500 without detail, and logged once", async () => {
  for (const fault of [new Defect("an invariant"), new TypeError("x is undefined")]) {
    let answer = new Response();
    const lines = await logged(async () => {
      answer = await answerOf(fault);
    });
    expect([answer.status, await answer.json()]).toEqual([
      500,
      {
        type: "urn:varve:problem:internal",
        title: "A fault of the service",
        status: 500,
        code: "internal",
        requestId: "failing",
      },
    ]);
    const alerts = lines.filter(({ alert }) => alert === true);
    expect(alerts.map((line) => (line["error"] as Line)["type"])).toEqual([fault.name]);
  }
});

test("a problem says when to try again when it is a 503, or another request is under way", () => {
  const table = Object.entries<{ status: number; retryAfter?: number }>(problems);
  const codes = (isWanted: (status: number, retryAfter?: number) => boolean) =>
    new Set(
      table
        .filter(([, { status, retryAfter }]) => isWanted(status, retryAfter))
        .map(([code]) => code),
    );
  const unavailable = codes((status) => status === 503);
  expect(codes((_, retryAfter) => retryAfter !== undefined)).toEqual(
    unavailable.union(new Set(["idempotency-in-progress"])),
  );
  expect(codes((status) => status === 500)).toEqual(new Set(["internal"]));
});

test("a request is 503 with Retry-After when the database cannot be reached", async () => {
  const gone = openPool({
    url: "postgres://nobody@127.0.0.1:1/none",
    size: 2,
    applicationName: "test gone",
    statementTimeoutMs: 1_000,
    acquireTimeoutMs: 1_000,
    prepare: true,
    ssl: false,
  });
  const lookUp = createApiKeyLookup(gone);
  const authenticate: AppDependencies["authenticate"] = async (token) => {
    const found = await lookUp(token);
    return found === undefined ? undefined : { id: found.keyId, scopes: found.scopes };
  };
  const cut = createApp({ ...app.dependencies, authenticate });
  const headers = { Authorization: `Bearer ${app.fullKey}` };
  for (const [path, init] of [
    ["/commands/orders/a/create", json(createBody, headers)],
    ["/queries/orders/a", { headers }],
  ] as const) {
    const answer = await cut.request(path, init);
    const { code } = (await answer.json()) as Line;
    expect([answer.status, code, answer.headers.get("Retry-After")]).toEqual([
      503,
      "database-unavailable",
      "2",
    ]);
  }
  await gone.close(100);
});

test("a request is one log line with the route's pattern and nothing that was sent", async () => {
  const lines = await logged(async () => {
    await app.send("/queries/orders/canary-id?limit=canary", { headers: { Cookie: "canary" } });
    await app.send("/commands/orders/canary-id/create", json({ reason: "canary" }));
    await app.send("/canary?token=canary", {}, null);
    await app.send("/health/live", {}, null);
  });
  const shown = lines.map(({ level, method, route, status, message }) => [
    level,
    method,
    route,
    status,
    message,
  ]);
  expect(shown).toEqual([
    ["info", "GET", "/queries/orders/:id", 404, "request"],
    ["info", "POST", "/commands/orders/:id/create", 422, "request"],
    ["info", "GET", undefined, 404, "request"],
    ["debug", "GET", "/health/live", 200, "request"],
  ]);
  const keyId = /^varve_test_([0-9a-f]+)_/.exec(app.fullKey)?.[1];
  expect(lines[0]).toMatchObject({
    principalId: `key:${keyId}`,
    requestId: expect.any(String) as unknown,
    durationMs: expect.any(Number) as unknown,
  });
  expect(JSON.stringify(lines)).not.toContain("canary");
  expect(app.logText()).not.toContain(app.fullKey);
});
