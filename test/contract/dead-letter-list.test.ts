import { afterAll, beforeAll, expect, test } from "bun:test";

import { createOperations, type Operations } from "#query/operations.ts";
import {
  countDeadLetters,
  discardDeadLetter,
  listDeadLetters,
  retryDeadLetters,
  type LetterPage,
} from "#store/dead-letters.ts";
import { pauseSubscription } from "#store/subscriptions.ts";
import { queries } from "#store/statements.ts";
import { aLetter, takeThings } from "#test/support/held-views.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";
import { traceOf } from "#test/support/trace.ts";

const behind = { errorCode: "behind-dead-letter", attempts: 0 };

/** In the order of their ids, 1 to 9. */
const letters = [
  aLetter(1, { key: "a", stream: "Thing-s" }),
  aLetter(2, { key: "a", stream: "Thing-t", ...behind }),
  aLetter(3, { kind: "stream", key: "Thing-u", stream: "Thing-u", errorCode: "upcast-failed" }),
  aLetter(4, { key: "a", stream: "Thing-u", ...behind }),
  aLetter(5, { key: "b", stream: "Thing-u", ...behind }),
  aLetter(6, { key: "b", stream: "Thing-v", ...behind }),
  aLetter(7, { key: "c", stream: "Thing-w", dueInMs: 3_600_000, attempts: 2 }),
  aLetter(8, { kind: "stream", key: "Thing-x", stream: "Thing-x", errorCode: "upcast-failed" }),
  aLetter(9, { key: "b", stream: "Thing-x", ...behind }),
];

let store: TestStore;
let operations: Operations;
beforeAll(async () => {
  store = await openStore();
  operations = createOperations(store.pool);
  await takeThings(store.pool, letters);
});
afterAll(() => closeStore(store));

const list = (page: Partial<LetterPage> = {}) =>
  listDeadLetters(store.pool, { afterId: 0, limit: 100, ...page });

const waits = async () =>
  (await list()).map(({ id, state, waitsFor, behindId }) => [id, state, waitsFor, behindId]);

test("letter is listed with all that is known of it and no more", async () => {
  const [first] = await list();
  const aTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/) as string;
  expect(first).toEqual({
    id: 1,
    subscription: "things",
    partition: 0,
    kind: "document",
    key: "a",
    stream: "Thing-s",
    position: 1,
    eventId: letters[0]?.eventId ?? "",
    eventType: "Happened",
    errorCode: "project-threw",
    attempts: 5,
    state: "waiting",
    reason: null,
    createdAt: aTime,
    failedAt: aTime,
    settledAt: null,
    waitsFor: "person",
    dueAt: null,
    behindId: null,
  });
});

test("letters come in pages by id, and by whatever is asked of them", async () => {
  const ids = async (page: Partial<LetterPage>) => (await list(page)).map(({ id }) => id);
  expect([
    await ids({ limit: 3 }),
    await ids({ afterId: 3, limit: 3 }),
    await ids({ errorCode: "behind-dead-letter" }),
    await ids({ key: "b", subscription: "things" }),
    await ids({ subscription: "nothing" }),
    await ids({ state: "resolved" }),
    await ids({ id: 3 }),
    await ids({ key: "a' or true --" }),
  ]).toEqual([[1, 2, 3], [4, 5, 6], [2, 4, 5, 6, 9], [5, 6, 9], [], [], [3], []]);
  const page = await operations.deadLetters({ state: "waiting", limit: 9 });
  const cut = await operations.deadLetters({ state: "waiting", limit: 8 });
  const rest = await operations.deadLetters({ state: "waiting", limit: 8, cursor: 8 });
  expect([page.nextCursor, cut.nextCursor, rest.items.length, rest.nextCursor]).toEqual([
    null,
    "8",
    1,
    null,
  ]);
});

test("letter says what it waits for, and which one stands in front of it", async () => {
  expect(await waits()).toEqual([
    [1, "waiting", "person", null],
    [2, "waiting", "letter", 1],
    [3, "waiting", "person", null],
    [4, "waiting", "letter", 1],
    [5, "waiting", "letter", 3],
    // Its document waits behind 5, which itself cannot be tried.
    [6, "waiting", "letter", 5],
    [7, "waiting", "time", null],
    [8, "waiting", "person", null],
    // Behind 5 as well, but 8 can be tried.
    [9, "waiting", "letter", 8],
  ]);
});

test("letters are counted with those that are due and those that nobody tries", async () => {
  const counts = () => countDeadLetters(store.pool, { subscription: "things" });
  const before = await counts();
  expect(await retryDeadLetters(store.pool, { errorCode: "project-threw" })).toBe(2);
  const held = await counts();
  await pauseSubscription(store.pool, "things", null);
  const paused = await counts();
  await pauseSubscription(store.pool, "nothing", null);
  expect([before, held, paused, await countDeadLetters(store.pool, { key: "b" })]).toEqual([
    { waiting: 9, due: 0, unheld: 0 },
    { waiting: 9, due: 2, unheld: 0 },
    { waiting: 9, due: 2, unheld: 2 },
    { waiting: 3, due: 0, unheld: 0 },
  ]);
});

test("one letter is tried again only when none stands in front of it", async () => {
  expect([
    await operations.retryLetter(3),
    await operations.retryLetter(4),
    await operations.retryLetter(99),
  ]).toEqual([{ kind: "done" }, { kind: "behind", headId: 1 }, { kind: "unknown" }]);
});

test("letter is discarded once, and those behind it go on", async () => {
  expect([
    await operations.discardLetter(1, "of a test"),
    await operations.discardLetter(1, "another reason"),
    await operations.retryLetter(1),
    await operations.discardLetter(99, "nobody"),
    // It follows already.
    await operations.retryLetter(2),
  ]).toEqual([
    { kind: "done" },
    { kind: "settled" },
    { kind: "settled" },
    { kind: "unknown" },
    { kind: "done" },
  ]);
  const [first, second] = await list();
  expect([first?.state, first?.reason, first?.waitsFor]).toEqual(["discarded", "of a test", null]);
  expect(second?.waitsFor).toBe("time");
  expect((await list({ state: "discarded" })).map(({ id }) => id)).toEqual([1]);
});

test("front of a long queue is found by the index when thousands wait behind it", async () => {
  await store.sql`insert into varve.dead_letters (subscription, kind, key, stream, position, error_code)
    select 'long', 'document', 'k' || n % 2, 'Thing-' || n, n,
           case when n < 3 then 'project-threw' else 'behind-dead-letter' end
      from generate_series(1, 20000) n`;
  await store.sql`analyze varve.dead_letters`;
  await store.sql`insert into varve.dead_letters (subscription, kind, key, stream, position, error_code)
    values ('lone', 'document', 'k', 'Thing-1', 1, 'behind-dead-letter')`;
  // Nothing stands in front of it, not even itself.
  expect((await list({ subscription: "lone" })).map(({ behindId }) => behindId)).toEqual([null]);
  const page = await list({ subscription: "long", afterId: 10_000, limit: 1_000 });
  expect(new Set(page.map(({ behindId }) => behindId)).size).toBe(2);
  const { whole, indexes } = await traceOf(store.sql, "dead_letters%", {
    text: queries.listDeadLetters.text,
    parameters: [10_000, 1_000, null, null, null, null, null],
  });
  expect({ whole, indexes }).toEqual({
    whole: [],
    indexes: ["dead_letters_pkey", "dead_letters_queue"],
  });
  expect(await discardDeadLetter(store.pool, 8, "its reason")).toBe(true);
});
