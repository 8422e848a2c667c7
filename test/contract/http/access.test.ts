import { afterAll, beforeAll, expect, test } from "bun:test";
import { Hono } from "hono";

import { createApp } from "#http/app.ts";
import type { Scope } from "#http/authorise.ts";
import type { Edge } from "#http/edge.ts";
import { addRoutes, type Route } from "#http/routes.ts";
import { Defect } from "#kernel/errors.ts";

import { json, openTestApp, type TestApp } from "#test/app.ts";
import { createBody } from "#test/unit/orders/samples.ts";

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app.close());

type Seen = { readonly status: number; readonly code: unknown; readonly challenge: string | null };

async function seen(answer: Response): Promise<Seen> {
  const { code } = (await answer.json()) as { code?: unknown };
  return { status: answer.status, code, challenge: answer.headers.get("WWW-Authenticate") };
}

const create = (id: string) => `/commands/orders/${id}/create`;

test("a request without a valid key is 401 and does nothing", async () => {
  const before = await app.eventCount();
  const bare = { status: 401, code: "unauthenticated", challenge: 'Bearer realm="varve"' };
  expect(await seen(await app.send(create("a"), json(createBody), null))).toEqual(bare);

  const wrong = { ...bare, challenge: 'Bearer realm="varve", error="invalid_token"' };
  const key = app.fullKey;
  const headers = [
    "",
    "Bearer",
    "Bearer ",
    `Basic ${key}`,
    key,
    `Bearer ${key}x`,
    `Bearer ${key.slice(0, -1)}`,
    `Bearer ${key} ${key}`,
    `Bearer ${key}, Bearer ${key}`,
    `Bearer ${key.toUpperCase()}`,
    `Bearer varve_test_${"0".repeat(16)}_${"0".repeat(64)}_00000000`,
    `Bearer ${"x".repeat(100_000)}`,
    "Bearer ' or true --",
    "Bearer ÿ",
  ];
  for (const Authorization of headers) {
    const init = json(createBody, { Authorization });
    expect(await seen(await app.send(create("a"), init, null))).toEqual(wrong);
  }
  expect(await app.eventCount()).toBe(before);
});

test("a request is let through when the scheme is in other letters", async () => {
  for (const scheme of ["bearer", "BEARER", "Bearer  "]) {
    const Authorization = `${scheme} ${app.fullKey}`;
    const answer = await app.send("/queries/orders", { headers: { Authorization } }, null);
    expect(answer.status).toBe(200);
  }
});

test("a key opens the routes of its scopes and no others", async () => {
  const paths = {
    command: "/commands/orders/scoped/create",
    order: "/queries/orders/x",
    orders: "/queries/orders",
    customer: "/queries/customers/x",
    sales: "/queries/sales",
  } as const;
  const opened = async (...scopes: readonly string[]): Promise<readonly string[]> => {
    const key = await app.keyWith(...scopes);
    const names: string[] = [];
    for (const [name, path] of Object.entries(paths)) {
      const init = name === "command" ? json({}) : {};
      const { status } = await app.send(path, init, key);
      if (status !== 403) names.push(name);
    }
    return names;
  };
  expect(await opened("pii:read", "admin", "streams:read")).toEqual([]);
  expect(await opened("queries:order", "commands:order", "orders", "queries:")).toEqual([]);
  expect(await opened("commands:orders")).toEqual(["command"]);
  expect(await opened("commands:*")).toEqual(["command"]);
  expect(await opened("queries:orders")).toEqual(["order", "orders"]);
  expect(await opened("queries:customers", "queries:sales")).toEqual(["customer", "sales"]);
  expect(await opened("queries:*")).toEqual(["order", "orders", "customer", "sales"]);
  expect(await opened("*")).toEqual(Object.keys(paths));
});

test("a caller is told the scope that is missing, before anything of the request is read", async () => {
  const key = await app.keyWith("queries:orders");
  const answer = await app.send(create("%00"), { method: "POST", body: "{" }, key);
  expect(await seen(answer)).toEqual({
    status: 403,
    code: "forbidden",
    challenge: 'Bearer realm="varve", error="insufficient_scope", scope="commands:orders"',
  });
});

test("an unknown command is 404 for who may command the aggregate, 403 for others", async () => {
  const orders = await app.keyWith("commands:orders");
  const every = await app.keyWith("commands:*");
  const ask = async (path: string, key: string) => (await app.send(path, json({}), key)).status;
  expect([
    await ask("/commands/orders/1/nothing", orders),
    await ask("/commands/nothing/1/create", orders),
    await ask("/commands/nothing/1/create", every),
  ]).toEqual([404, 403, 404]);
});

test("a method that a path does not have is 405 with those that it has", async () => {
  const methods = {
    "/commands/orders/1/create": ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"],
    "/commands/nothing/1/nothing": ["GET"],
    "/queries/orders": ["POST", "PUT", "PROPFIND"],
    "/queries/orders/1": ["DELETE"],
    "/health": ["POST"],
  } as const;
  for (const [path, all] of Object.entries(methods)) {
    for (const method of all) {
      const answer = await app.send(path, { method }, null);
      const allow = path.startsWith("/commands") ? "POST" : "GET, HEAD";
      expect([answer.status, answer.headers.get("Allow")]).toEqual([405, allow]);
    }
  }
});

test("everything but health is turned away while the process drains", async () => {
  const draining = createApp({ ...app.dependencies, draining: AbortSignal.abort() });
  const headers = { Authorization: `Bearer ${app.fullKey}` };
  const before = await app.eventCount();
  for (const [path, init] of [
    [create("late"), json(createBody, headers)],
    ["/queries/orders", { headers }],
    ["/nowhere", {}],
  ] as const) {
    const answer = await draining.request(path, init);
    expect([answer.status, answer.headers.get("Retry-After"), await seen(answer)]).toEqual([
      503,
      "5",
      { status: 503, code: "shutting-down", challenge: null },
    ]);
  }
  expect((await draining.request("/health/live")).status).toBe(200);
  expect(await app.eventCount()).toBe(before);
});

const wired = (routes: readonly Route[], prepare: (app: Hono<Edge>) => unknown = () => 0) => {
  const bare = new Hono<Edge>();
  prepare(bare);
  addRoutes(bare, routes, app.dependencies);
};

const route = (scope: unknown): Route => ({
  method: "GET",
  path: "/secrets",
  scope: scope as Scope,
  answer: (context) => context.text("secret"),
});

test("an app does not start when a route declares no scope", () => {
  for (const scope of [undefined, null, "", "secrets", "secrets:", ":read", "*", "public "]) {
    expect(() => wired([route(scope)])).toThrow(Defect);
  }
  for (const scope of ["public", "admin", "secrets:read", "secrets:*"]) {
    expect(() => wired([route(scope)])).not.toThrow();
  }
});

test("an app does not start when a route was added beside the list", () => {
  const handler = () => new Response("secret");
  expect(() => wired([route("admin")], (bare) => bare.get("/leak", handler))).toThrow(Defect);
  expect(() => wired([route("admin")], (bare) => bare.all("/leak", handler))).toThrow(Defect);
  expect(() => wired([route("admin")], (bare) => bare.post("/secrets", handler))).toThrow(Defect);
  expect(() => wired([route("admin")], (bare) => bare.get("/secrets", handler))).toThrow(Defect);
});

test("an app does not start when a name cannot be a path or stands for two things", () => {
  const [orders] = app.dependencies.aggregates;
  if (orders === undefined) throw new Error("there is no aggregate");
  const { views, events, publications = [] } = orders;
  const bare = { views: [], events: {}, publications: [] };
  const apart = { ...orders, ...bare, name: "others", type: "Other" };
  for (const aggregates of [
    [{ ...orders, name: "orders/:id" }],
    [{ ...orders, name: "Orders" }],
    [orders, { ...apart, name: "orders" }],
    [orders, { ...apart, views }],
    [orders, { ...apart, type: "Order" }],
    [orders, { ...apart, events }],
    [orders, { ...apart, publications }],
  ]) {
    expect(() => createApp({ ...app.dependencies, aggregates })).toThrow(Defect);
  }
  const aggregates = [orders, apart];
  expect(() => createApp({ ...app.dependencies, aggregates })).not.toThrow();
});

test("every answer forbids caching, sniffing and framing", async () => {
  for (const path of ["/health", "/queries/orders", "/nowhere"]) {
    const { headers } = await app.send(path, {}, null);
    expect({
      cache: headers.get("Cache-Control"),
      sniffing: headers.get("X-Content-Type-Options"),
      vary: headers.get("Vary"),
      policy: headers.get("Content-Security-Policy"),
    }).toEqual({
      cache: "no-store",
      sniffing: "nosniff",
      vary: "Authorization",
      policy: "default-src 'none'; frame-ancestors 'none'",
    });
  }
});
