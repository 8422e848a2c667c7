import { afterAll, beforeAll, expect, test } from "bun:test";

import { openTestApp, type TestApp } from "#test/app.ts";

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app.close());

const noTime = "must be an ISO 8601 time with an offset";
const noLimit = "must be an integer from 1 to 1000";

/** What is said of a request's parameters, by pointer. */
const said: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "/log?after=x": { "/after": "must be an integer from 0 to 9007199254740991" },
  "/log?after=9007199254740992": { "/after": "must be an integer from 0 to 9007199254740991" },
  "/log?limit=0": { "/limit": noLimit },
  "/log?limit=1001": { "/limit": noLimit },
  "/log?limit=x&colour=red": { "/limit": noLimit, "/colour": "is not known" },
  "/log?after=1&after=2&types=a&types=b&limit=0": {
    "/after": "must be given once",
    "/limit": noLimit,
    "/types": "must be given once",
  },
  "/streams/orders/o-1?direction=forward&direction=backward": {
    "/direction": "must be given once",
  },
  "/streams/orders/o-1?direction=up": { "/direction": "must be forward or backward" },
  "/streams/orders/o-1?at=yesterday": { "/at": noTime },
  "/streams/orders/o-1?at=2026-11-23T12:00:00+01:00": { "/at": `${noTime}; write + as %2B` },
  "/queries/sales?from=yesterday": { "/from": "must be a day, as in 2026-11-23" },
  "/queries/sales?from=2026-11-01&from=2026-11-02": { "/from": "must be given once" },
  "/queries/orders?colour=red&colour=blue": { "/colour": "is not known" },
  [`/queries/orders?cursor=${"x".repeat(8_001)}`]: { "/cursor": "is no cursor of this list" },
};

for (const [path, messages] of Object.entries(said)) {
  test(`caller is told in the service's words when it asks for ${path.slice(0, 80)}`, async () => {
    const answer = await app.send(path);
    const { code, errors } = (await answer.json()) as Readonly<Record<string, unknown>>;
    expect([answer.status, code, errors]).toEqual([
      422,
      "validation-failed",
      Object.entries(messages).map(([pointer, message]) => ({ pointer, message })),
    ]);
  });
}

test("time is understood when its plus sign is escaped", async () => {
  const { status } = await app.send("/streams/orders/o-1?at=2026-11-23T12:00:00%2B01:00");
  expect(status).toBe(404);
});
