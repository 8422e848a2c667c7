import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { limits } from "#kernel/limits.ts";
import { json, openTestApp, type TestApp } from "#test/app.ts";
import { createBody } from "#test/unit/orders/samples.ts";

type Fields = Readonly<Record<string, unknown>>;

const HEAD = 6;

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
  for (const id of ["l-1", "l-2", "l-3"]) {
    for (const [command, body] of [
      ["create", createBody],
      ["ship", { carrier: "Royal Mail", trackingNumber: "RM1" }],
    ] as const) {
      expect((await app.send(`/commands/orders/${id}/${command}`, json(body))).ok).toBe(true);
    }
  }
});
afterAll(() => app.close());

async function get(query: string, init: RequestInit = {}, key?: string): Promise<Fields> {
  const answer = await app.send(`/log${query}`, init, key);
  return { status: answer.status, ...((await answer.json()) as Fields) };
}

const seen = async (query: string): Promise<readonly unknown[]> => {
  const { items, nextAfter, head } = await get(query);
  return [(items as Fields[]).map(({ position }) => position), nextAfter, head];
};

describe("the log", () => {
  test("is told as it is stored, with the head, sealed whatever the key may open", async () => {
    const items = (await app.events(0)).map(({ eventId, ...event }) => ({ id: eventId, ...event }));
    for (const key of [app.fullKey, await app.keyWith("log:read")]) {
      const answer = await app.send("/log", {}, key);
      expect([answer.status, answer.headers.get("Varve-Position")]).toEqual([200, String(HEAD)]);
      expect(answer.headers.get("Vary")).toBe("Authorization, Accept");
      const body = (await answer.json()) as Fields;
      expect(body).toEqual({ items, nextAfter: HEAD, head: HEAD });
      expect(JSON.stringify(body)).not.toContain(createBody.contact.email);
    }
  });

  test("comes in pages that follow each other, of the types that were asked for", async () => {
    expect([
      await seen("?limit=4"),
      await seen("?after=4&limit=4"),
      await seen("?after=6"),
      await seen("?after=7"),
      await seen("?types=OrderShipped&limit=2"),
      await seen("?types=OrderShipped&limit=2&after=4"),
      await seen("?types=OrderShipped,OrderCreated&after=3"),
      await seen("?types=Never"),
      await seen("?after=&limit=&types="),
    ]).toEqual([
      [[1, 2, 3, 4], 4, HEAD],
      [[5, 6], 6, HEAD],
      [[], 6, HEAD],
      [[], 7, HEAD],
      [[2, 4], 4, HEAD],
      [[6], 6, HEAD],
      [[4, 5, 6], 6, HEAD],
      [[], 6, HEAD],
      [[1, 2, 3, 4, 5, 6], 6, HEAD],
    ]);
  });

  test("is a page to who does not prefer a feed", async () => {
    for (const accept of [
      "application/json",
      "*/*",
      "text/html, */*;q=0.1",
      "text/event-stream;q=0",
    ]) {
      const answer = await app.send("/log?limit=1", { headers: { Accept: accept } });
      expect(answer.headers.get("Content-Type")).toBe("application/json");
    }
    const head = await app.send("/log", {
      method: "HEAD",
      headers: { Accept: "text/event-stream" },
    });
    expect([head.status, head.headers.get("Content-Type")]).toEqual([200, "application/json"]);
  });

  test("is 403 to who may not read it, as a feed too", async () => {
    const key = await app.keyWith("streams:*", "queries:*");
    for (const init of [{}, { headers: { Accept: "text/event-stream" } }]) {
      expect(await get("", init, key)).toMatchObject({ status: 403, requiredScope: "log:read" });
    }
  });
});

const refused: Readonly<Record<string, readonly string[]>> = {
  "?after=-1": ["/after"],
  "?after=1e3": ["/after"],
  "?after=9007199254740992": ["/after"],
  "?after=99999999999999999999": ["/after"],
  "?after=1&after=2": ["/after"],
  "?limit=0": ["/limit"],
  [`?limit=${limits.readEvents + 1}`]: ["/limit"],
  "?types=,": ["/types/0", "/types/1"],
  "?types=a'b": ["/types/0"],
  "?types=A,%00": ["/types/1"],
  [`?types=${"A,".repeat(50)}A`]: ["/types"],
  "?type=A": ["/type"],
  "?__proto__=1": ["/__proto__"],
};

for (const [query, pointers] of Object.entries(refused)) {
  test(`the log is 422 when it is asked for with ${query.slice(0, 40)}`, async () => {
    for (const init of [{}, { headers: { Accept: "text/event-stream" } }]) {
      const { status, code, errors } = await get(query, init);
      const at = (errors as Fields[]).map(({ pointer }) => pointer);
      expect([status, code, at]).toEqual([422, "validation-failed", [...pointers]]);
    }
  });
}

test("a feed is 422 when it is resumed from what is no position of the log", async () => {
  const from = (id: string, query = "") =>
    get(query, { headers: { Accept: "text/event-stream", "Last-Event-ID": id } });
  for (const id of ["-1", "x", "1.5", "0x10", "1 2", "9007199254740992", "1".repeat(5_000)]) {
    expect(await from(id)).toMatchObject({
      status: 422,
      code: "validation-failed",
      errors: [{ pointer: "/Last-Event-ID" }],
    });
  }
  const message = "must not be past the end of the log";
  expect([await from("7"), await from("", "?after=7")]).toMatchObject([
    { status: 422, errors: [{ pointer: "/Last-Event-ID", message }] },
    { status: 422, errors: [{ pointer: "/after", message }] },
  ]);
});
