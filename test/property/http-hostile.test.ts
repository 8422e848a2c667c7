import { afterAll, beforeAll, expect, test } from "bun:test";

import fc from "fast-check";

import { openTestApp, type TestApp } from "#test/app.ts";
import { createBody } from "#test/unit/orders/samples.ts";

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app.close());

const commands = ["create", "ship", "deliver", "cancel", "change-contact"] as const;

/** Text that HTTP lets through in a header. */
const headerValue = fc
  .string({ unit: "binary-ascii" })
  .map((text) => text.replaceAll(/[^\x20-\x7e]/g, "~"));

const tag = fc.oneof(
  fc.constantFrom("*", '"1"', '"0"', 'W/"1"', '"1", "2"', '"', ",", '""'),
  headerValue,
);

/** What no view has reached yet is rightly a 503. */
const minPosition = headerValue.map((text) => text.replaceAll(/\d/g, "0"));

const plain = fc.constant({ "Content-Type": "application/json" });

const noise = fc.record(
  {
    "Content-Type": fc.oneof(
      { weight: 8, arbitrary: fc.constant("application/json") },
      { weight: 1, arbitrary: headerValue },
    ),
    "Content-Encoding": fc.oneof(fc.constantFrom("identity", "gzip", "br"), headerValue),
    "Content-Length": fc.oneof(fc.nat().map(String), headerValue),
    "If-Match": tag,
    "If-None-Match": tag,
    "Idempotency-Key": headerValue,
    "X-Request-Id": headerValue,
    Prefer: headerValue,
    "Varve-Min-Position": minPosition,
    Accept: headerValue,
    traceparent: headerValue,
  },
  { requiredKeys: ["Content-Type"] },
);

const headers = fc.oneof({ weight: 2, arbitrary: plain }, noise);

/** Bodies from almost right to noise: a right one with a member replaced, any JSON, any text. */
const body = fc.oneof(
  { weight: 3, arbitrary: fc.constant(JSON.stringify(createBody)) },
  fc
    .tuple(fc.constantFrom(...Object.keys(createBody), "extra", "__proto__"), fc.jsonValue())
    .map(([name, value]) => {
      const rest = JSON.stringify({ ...createBody, [name]: undefined }).slice(1);
      return `{${JSON.stringify(name)}:${JSON.stringify(value)},${rest}`;
    }),
  fc.json({ maxDepth: 40 }),
  fc.string({ unit: "binary" }),
  fc.uint8Array({ maxLength: 64 }).map((bytes) => new Uint8Array(bytes)),
);

/** Any bytes of a path or a query, as an address can carry them. */
const segment = fc.oneof(
  fc.constantFrom("1", "..", "%", "%ff", "%2f", "%00", "a b", "%25%32%46", "é", ";", ":id", "*"),
  fc.string({ unit: "binary" }).map((text) => encodeURIComponent(text.toWellFormed())),
  fc.string({ unit: "grapheme-ascii" }).map((text) => text.replaceAll(/[?#\\]/g, "")),
);

const commandPath = fc
  .tuple(
    fc.oneof({ weight: 3, arbitrary: fc.nat({ max: 999 }).map(String) }, segment),
    fc.constantFrom(...commands),
  )
  .map(([id, name]) => `/commands/orders/${id}/${name}`);

const path = fc.oneof(
  { weight: 8, arbitrary: commandPath },
  fc.array(segment, { maxLength: 5 }).map((segments) => `/commands/${segments.join("/")}`),
  segment.map((id) => `/queries/orders/${id}`),
  fc
    .tuple(fc.constantFrom("orders", "sales", "customers"), fc.array(fc.tuple(segment, segment)))
    .map(([view, pairs]) => `/queries/${view}?${pairs.map((pair) => pair.join("=")).join("&")}`),
  fc
    .tuple(fc.constantFrom("status", "customerId", "limit", "cursor"), segment)
    .map(([name, value]) => `/queries/orders?${name}=${value}`),
  fc.array(segment, { maxLength: 5 }).map((segments) => `/${segments.join("/")}`),
);

/** Mostly the one that the path is for. */
const method = fc.option(fc.constantFrom("POST", "GET", "HEAD", "PUT", "DELETE", "OPTIONS"), {
  freq: 2,
});

test("no request is answered 5xx, and only a 2xx stores events", async () => {
  let isAccepted = false;
  const request = fc.record({ path, method, headers, body });
  const property = fc.asyncProperty(request, async ({ path: asked, ...init }) => {
    const method = init.method ?? (asked.startsWith("/commands/") ? "POST" : "GET");
    const isRead = method === "GET" || method === "HEAD";
    const before = await app.eventCount();
    const sent = { method, headers: init.headers };
    const answer = await app.send(asked, isRead ? sent : { ...sent, body: init.body });
    const text = await answer.text();
    expect(answer.status).toBeLessThan(500);
    const stored = (await app.eventCount()) - before;
    const isAnsweredAgain = answer.headers.has("Idempotency-Replayed");
    expect(stored).toBe(answer.status < 300 && method === "POST" && !isAnsweredAgain ? 1 : 0);
    isAccepted ||= stored > 0;
    if (answer.status >= 400 && method !== "HEAD") {
      expect(answer.headers.get("Content-Type")).toBe("application/problem+json");
      const problem = JSON.parse(text) as Record<string, unknown>;
      expect([problem["status"], problem["requestId"]]).toEqual([
        answer.status,
        answer.headers.get("X-Request-Id"),
      ]);
    }
  });
  await fc.assert(property, { numRuns: 2_000 });
  expect(app.logText()).not.toContain('"level":"error"');
  // Had none been accepted, the requests would have been too strange to say anything.
  expect(isAccepted).toBe(true);
}, 60_000);
