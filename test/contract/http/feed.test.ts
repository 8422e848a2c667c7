import { afterAll, beforeAll, expect, test } from "bun:test";

import { limits } from "#kernel/limits.ts";
import { json, openTestApp, type TestApp } from "#test/app.ts";
import { type FeedMessage, messagesOf, nextWhere } from "#test/support/feed.ts";
import { createBody } from "#test/unit/orders/samples.ts";
import { until } from "#test/until.ts";

let app: TestApp;
let server: Bun.Server<undefined>;
beforeAll(async () => {
  app = await openTestApp({
    idleLimit: (request, seconds) => server.timeout(request, seconds),
  });
  // A feed has to live longer than this. Bun counts it in ticks: at 1 s a new connection can be over
  // before it was answered.
  server = Bun.serve({ port: 0, hostname: "127.0.0.1", idleTimeout: 5, fetch: app.app.fetch });
  for (const id of ["f-1", "f-2", "f-3"]) await create(id);
});
afterAll(async () => {
  await server.stop(true);
  await app.close();
});

const create = async (id: string): Promise<void> => {
  expect((await app.send(`/commands/orders/${id}/create`, json(createBody))).status).toBe(201);
};

const open = (query = "", headers: Readonly<Record<string, string>> = {}) =>
  fetch(new URL(`/log${query}`, server.url), {
    // After a feed the server lets its connection go soon: one that is used again may be just ending.
    keepalive: false,
    headers: { Authorization: `Bearer ${app.fullKey}`, Accept: "text/event-stream", ...headers },
  });

test("feed has the events of a page as its messages, each with its position as the id", async () => {
  const answer = await open("?after=1");
  const header = (name: string) => answer.headers.get(name);
  expect([
    answer.status,
    ...["Content-Type", "Cache-Control", "Varve-Position", "X-Accel-Buffering"].map(header),
  ]).toEqual([200, "text/event-stream", "no-store", "3", "no"]);
  const feed = messagesOf(answer);
  const got = [(await feed.next()).value, (await feed.next()).value];
  const page = (await (await app.send("/log?after=1")).json()) as { items: FeedMessage["data"][] };
  expect(got.map((message) => [message?.id, message?.data])).toEqual([
    ["2", page.items[0]],
    ["3", page.items[1]],
  ]);
  expect(got[0]?.retry).toBe("1000");
  await feed.return();
});

test("feed goes on after the last id, whatever the address says", async () => {
  const feed = messagesOf(await open("?after=0", { "Last-Event-ID": "2" }));
  expect((await feed.next()).value?.data).toMatchObject({ position: 3 });
  await feed.return();
});

test("feed lives longer than the server lets a silent connection live", async () => {
  const feed = messagesOf(await open("?after=3"));
  await feed.next();
  const beat = await nextWhere(feed, ({ comments }) => comments.includes("beat"));
  expect(beat.id).toBe("3");
  await create("f-4");
  expect((await nextWhere(feed, ({ data }) => data !== undefined)).id).toBe("4");
  await feed.return();
});

test("feed is refused when there are as many as may be, until one of them has ended", async () => {
  const ended = () => app.logText().split('"feed ended"').length;
  const before = ended();
  const feeds: ReturnType<typeof messagesOf>[] = [];
  // One by one: so many answers at once may take a busy machine longer than silence is allowed.
  while (feeds.length < limits.feeds) {
    const feed = messagesOf(await open("?after=3"));
    feeds.push(feed);
    await feed.next();
  }
  const refusal = await open();
  expect([refusal.status, refusal.headers.get("Retry-After"), await refusal.json()]).toEqual([
    503,
    "5",
    expect.objectContaining({ code: "too-many-feeds" }),
  ]);
  expect((await app.send("/log?after=3")).status).toBe(200);
  await feeds[0]?.return();
  await until("its place is free", () => ended() > before);
  const answer = await open("?after=3");
  expect(answer.status).toBe(200);
  feeds.push(messagesOf(answer));
  await Promise.all(feeds.map((feed) => feed.return()));
  await until("all have ended", () => ended() === before + limits.feeds + 1);
});

test("refused feeds take no place", async () => {
  for (let count = 0; count <= limits.feeds; count += 1) {
    expect((await open("?after=99")).status).toBe(422);
  }
  const answer = await open();
  expect(answer.status).toBe(200);
  await answer.body?.cancel();
});
