import { afterAll, beforeAll, expect, test } from "bun:test";

import fc from "fast-check";

import { json, openTestApp, type TestApp } from "#test/app.ts";
import { createBody } from "#test/unit/orders/samples.ts";

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
  expect((await app.send("/commands/orders/1/create", json(createBody))).status).toBe(201);
});
afterAll(() => app.close());

const names = ["fromVersion", "toVersion", "limit", "direction", "at", "version", "after", "types"];

const value = fc.oneof(
  fc.constantFrom(
    ..."0 1 2 1000 1001 9007199254740991 9007199254740992 1e9 -1 +1 NaN 0x1".split(" "),
  ),
  fc.constantFrom("forward", "backward", "OrderCreated", "A,B", "", " ", "%00", "%ff", "٣"),
  fc.constantFrom(
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00.1234567Z",
    "9999-12-31T23:59:59.999999Z",
    "0001-01-01T00:00:00%2B14:00",
    "0000-01-01T00:00:00Z",
    "infinity",
    "now",
  ),
  fc.nat().map(String),
  fc.date({ noInvalidDate: true }).map((date) => encodeURIComponent(date.toISOString())),
  fc.string({ unit: "binary" }).map((text) => encodeURIComponent(text.toWellFormed())),
);

const name = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(...names) },
  fc.string().map(encodeURIComponent),
);

const query = fc
  .array(fc.tuple(name, value), { maxLength: 4 })
  .map((pairs) => pairs.map((pair) => pair.join("=")).join("&"));

const path = fc.constantFrom(
  "/log",
  "/streams/orders/1",
  "/streams/orders/1/state",
  "/streams/orders/2",
);

const headers = fc.record(
  {
    Accept: fc.constantFrom("text/event-stream", "application/json", "*/*", ";;q=,"),
    "Last-Event-ID": fc.oneof(
      fc.constantFrom("0", "1", "2", "-1", "9007199254740992", " 1", "1,1"),
      fc.string({ unit: "binary-ascii" }).map((text) => text.replaceAll(/[^\x20-\x7e]/g, "~")),
    ),
    "If-None-Match": fc.constantFrom("*", '"1"', "x"),
  },
  { requiredKeys: [] },
);

test("reading is answered, or refused with a problem, whatever is asked", async () => {
  const seen = new Set<number>();
  const property = fc.asyncProperty(path, query, headers, async (asked, parameters, sent) => {
    const answer = await app.send(`${asked}?${parameters}`, { headers: sent });
    seen.add(answer.status);
    expect([200, 304, 404, 422]).toContain(answer.status);
    const kind = answer.headers.get("Content-Type");
    if (kind === "text/event-stream") {
      expect(answer.status).toBe(200);
      await answer.body?.cancel();
    } else if (answer.status !== 304) {
      const isProblem = answer.status >= 400;
      expect(kind).toBe(isProblem ? "application/problem+json" : "application/json");
      expect(typeof (await answer.json())).toBe("object");
    }
  });
  await fc.assert(property, { numRuns: 1_500 });
  expect(seen).toEqual(new Set([200, 304, 404, 422]));
  expect(app.logText()).not.toContain('"level":"error"');
});
