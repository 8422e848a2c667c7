import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";

import type { Pool } from "#store/pool.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { archiveOnly } from "#test/support/absent-months.ts";
import { type FeedMessage, nextWhere } from "#test/support/feed.ts";
import { settleMonth } from "#test/support/months.ts";
import { beatMs, startFeed } from "#test/support/open-feed.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";
import { until } from "#test/until.ts";

let store: TestStore;
/** As the store's own pool, which counts what is asked of it. */
let counted: Pool;
let asked: string[] = [];
beforeAll(async () => {
  store = await openStore();
  counted = {
    ...store.pool,
    query: (statement, parameters, deadlineMs) => {
      asked.push(statement.name);
      return store.pool.query(statement, parameters, deadlineMs);
    },
  };
});
afterEach(() => {
  asked = [];
});
afterAll(() => closeStore(store));

let head = 0;
const append = async (count: number): Promise<void> => {
  await appendAll(store.pool, appendTo("fed", null, count));
  head += count;
};

const positionsOf = (messages: readonly FeedMessage[]) =>
  messages.flatMap(({ data }) => (data === undefined ? [] : [data["position"]]));

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

const isBeat = ({ comments }: FeedMessage): boolean => comments.includes("beat");
const isEvent = ({ data }: FeedMessage): boolean => data !== undefined;

/** All messages from now on to the feed's end. */
const rest = (messages: AsyncGenerator<FeedMessage, void>) => Array.fromAsync(messages);

test("feed says when to come again and where it is when there is nothing yet", async () => {
  const { messages } = await startFeed(store.pool);
  expect((await messages.next()).value).toEqual({
    data: undefined,
    id: "0",
    comments: [],
    retry: "1000",
  });
  await messages.return();
});

test("feed has every event once and in order when some are there and others come", async () => {
  await append(25);
  const { messages, log } = await startFeed(store.pool, { request: { after: 0, limit: 10 } });
  const got: FeedMessage[] = [];
  for (const count of [1, 30, 1]) {
    while (got.filter(isEvent).length < head) got.push(await nextWhere(messages, isEvent));
    await append(count);
    if (count === 30) log.hint(head);
  }
  while (got.filter(isEvent).length < head) got.push(await nextWhere(messages, isEvent));
  expect(positionsOf(got)).toEqual(numbers(1, head));
  expect(got.map(({ id }) => id)).toEqual(numbers(1, head).map(String));
  await messages.return();
});

test("feed beats with its place when nothing of its types comes", async () => {
  const request = { after: 0, limit: 10, types: ["Rare"] };
  const { messages } = await startFeed(store.pool, { request });
  // A beat that was on its way already has the place of before.
  const beatFrom = async (position: number) => {
    const fits = (message: FeedMessage) => isBeat(message) && Number(message.id) >= position;
    return Number((await nextWhere(messages, fits)).id);
  };
  const first = await messages.next();
  await append(3);
  expect([Number(first.value?.id), await beatFrom(head)]).toEqual([head - 3, head]);
  await store.sql`update varve.events set event_type = 'Rare' where position = ${head}`;
  await append(1);
  expect(await beatFrom(head)).toBe(head);
  await messages.return();
});

test("feed reads nothing ahead of its reader when there is much to read", async () => {
  await append(200);
  const { stream, ends } = await startFeed(counted, { request: { after: 0, limit: 10 } });
  const reader = stream.getReader();
  for (let taken = 1; taken <= 5; taken += 1) {
    await reader.read();
    expect(asked).toEqual(Array.from({ length: taken }, () => "read_log_page"));
  }
  // Nobody takes the sixth page: it is not read, and the feed is given up.
  await until("the feed is given up", () => ends.length > 0);
  expect([ends, asked.length]).toEqual([["too-slow"], 5]);
  const lastWord = await reader.read();
  expect(new TextDecoder().decode(lastWord.value)).toBe(": too-slow\n\n");
  expect((await reader.read()).done).toBe(true);
});

test("feed is given up when nobody takes even its first page", async () => {
  const { ends } = await startFeed(store.pool);
  await until("the feed is given up", () => ends.length > 0);
  expect(ends).toEqual(["too-slow"]);
});

test("feed lets go of everything when its reader goes away", async () => {
  const { messages, ends } = await startFeed(counted, { request: { after: head, limit: 10 } });
  await messages.next();
  const waiting = messages.next();
  await until("the head is watched", () => asked.includes("read_head"));
  void messages.return();
  await until("the feed has ended", () => ends.length > 0);
  expect(ends).toEqual(["gone"]);
  await waiting;
  const silence = asked.length;
  // Another feed's beat later nobody has looked at the head for this one.
  const other = await startFeed(store.pool, { request: { after: head, limit: 10 } });
  await nextWhere(other.messages, isBeat);
  await other.messages.return();
  expect(asked.length - silence).toBeLessThanOrEqual(1);
});

test("feeds share one look at the head when many wait", async () => {
  const first = await startFeed(counted, { request: { after: head, limit: 10 }, beatMs: 5_000 });
  const feeds = [first];
  for (let count = 0; count < 9; count += 1) {
    const options = { request: { after: head, limit: 10 }, log: first.log, beatMs: 5_000 };
    feeds.push(await startFeed(counted, options));
  }
  const news = feeds.map(({ messages }) => nextWhere(messages, isEvent));
  await until("the head is watched", () => asked.filter((name) => name === "read_head").length > 2);
  const startedMs = performance.now();
  asked = [];
  await append(1);
  expect((await Promise.all(news)).map(({ id }) => Number(id))).toEqual(feeds.map(() => head));
  const looks = (performance.now() - startedMs) / 20 + 1;
  expect(asked.filter((name) => name === "read_head").length).toBeLessThanOrEqual(looks);
  for (const { messages } of feeds) await messages.return();
});

test("feed ends with its last word when the process lets it go", async () => {
  const closing = new AbortController();
  const request = { after: head, limit: 10 };
  const { messages, ends } = await startFeed(store.pool, { request, closing: closing.signal });
  await messages.next();
  const last = rest(messages);
  const startedMs = performance.now();
  closing.abort();
  expect((await last).map(({ comments }) => comments)).toEqual([["shutting-down"]]);
  expect([ends, performance.now() - startedMs < beatMs]).toEqual([["shutting-down"], true]);
  const late = await startFeed(store.pool, { request, closing: closing.signal });
  expect([(await rest(late.messages)).length, late.ends]).toEqual([1, ["shutting-down"]]);
});

test("feed gives nothing more when its caller's key is revoked", async () => {
  let isRevoked = false;
  const { messages, ends } = await startFeed(store.pool, {
    request: { after: head - 1, limit: 10 },
    // There is more to read by the time that the answer is no.
    mayStill: async () => {
      if (isRevoked) await append(1);
      return !isRevoked;
    },
  });
  await nextWhere(messages, isEvent);
  isRevoked = true;
  const last = await rest(messages);
  expect([positionsOf(last), last.at(-1)?.comments]).toEqual([[], ["forbidden"]]);
  expect(ends).toEqual(["forbidden"]);
});

test("feed ends and tells why when it comes to an archived month", async () => {
  const month = await settleMonth(store.sql, { monthsAgo: -1, streams: ["next"] });
  await settleMonth(store.sql, { monthsAgo: -2, streams: ["after"] });
  const { messages, ends, failures } = await startFeed(store.pool, {
    request: { after: head - 1, limit: 1 },
  });
  await archiveOnly(store.sql, [month.name]);
  const all = await rest(messages);
  await archiveOnly(store.sql, []);
  expect(all.map(({ id, comments }) => [id, comments])).toEqual([
    [String(head), []],
    [String(head), ["failed"]],
  ]);
  expect(ends).toEqual(["failed"]);
  expect(failures).toEqual([
    expect.objectContaining({ code: "partition-archived", retryable: false }),
  ]);
});
