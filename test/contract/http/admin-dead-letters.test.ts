import { afterAll, beforeAll, expect, test } from "bun:test";

import { aLetter, takeThings } from "#test/support/held-views.ts";
import { operatedApp } from "#test/support/operated.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";

const behind = { errorCode: "behind-dead-letter", attempts: 0 };

/** In the order of their ids, 1 to 5. */
const letters = [
  aLetter(1, { key: "a", stream: "Thing-s" }),
  aLetter(2, { key: "a", stream: "Thing-s", ...behind }),
  aLetter(3, { key: "b", stream: "Thing-t", errorCode: "upcast-failed" }),
  aLetter(4, { key: "c", stream: "Thing-u" }),
  aLetter(5, { key: "d", stream: "Thing-v", dueInMs: 3_600_000 }),
];

let store: TestStore;
let app: ReturnType<typeof operatedApp>;
beforeAll(async () => {
  store = await openStore();
  app = operatedApp(store.pool);
  await takeThings(store.pool, letters);
});
afterAll(() => closeStore(store));

type Item = Readonly<Record<string, unknown>>;

const path = "/admin/dead-letters";

const list = async (query: string) => {
  const { items, nextCursor } = await app.ask(`${path}${query}`);
  return { ids: (items as Item[]).map(({ id }) => id), nextCursor };
};

test("letters are listed in pages, each with what it waits for", async () => {
  const { items } = await app.ask(path);
  expect((items as Item[]).map(({ id, waitsFor, behindId }) => [id, waitsFor, behindId])).toEqual([
    [1, "person", null],
    [2, "letter", 1],
    [3, "person", null],
    [4, "person", null],
    [5, "time", null],
  ]);
  expect([
    await list("?limit=3"),
    await list("?limit=3&cursor=3"),
    await list("?subscription=things&errorCode=upcast-failed"),
    await list("?subscription=other"),
    await list("?key=a"),
    await list("?state=resolved"),
  ]).toEqual([
    { ids: [1, 2, 3], nextCursor: "3" },
    { ids: [4, 5], nextCursor: null },
    { ids: [3], nextCursor: null },
    { ids: [], nextCursor: null },
    { ids: [1, 2], nextCursor: null },
    { ids: [], nextCursor: null },
  ]);
});

test("parameter is refused when it can be none", async () => {
  const statuses: unknown[] = [];
  for (const query of ["limit=0", "limit=1001", "cursor=x", "state=open", "code=x", "key=%00"]) {
    const { status, errors } = await app.ask(`${path}?${query}`);
    statuses.push([status, (errors as Item[]).map(({ pointer }) => pointer)]);
  }
  expect(statuses).toEqual(
    ["limit", "limit", "cursor", "state", "code", "key"].map((name) => [422, [`/${name}`]]),
  );
});

test("letter is tried again when none stands in front of it", async () => {
  expect([
    await app.post(`${path}/3/retry`),
    await app.post(`${path}/2/retry`, {}),
    await app.post(`${path}/99/retry`, {}),
    await app.post(`${path}/x/retry`, {}),
    await app.post(`${path}/3/retry`, { now: true }),
  ]).toEqual([
    { status: 200, id: 3, retried: 1 },
    { status: 409, code: "dead-letter-behind", headId: 1 },
    { status: 404, code: "not-found" },
    expect.objectContaining({ status: 422 }),
    expect.objectContaining({ status: 422 }),
  ]);
});

test("letters that match are tried again at once", async () => {
  const retry = (body: unknown) => app.post(`${path}/retry`, body);
  expect([
    await retry({ key: "a" }),
    await retry({ errorCode: "project-threw", subscription: "things" }),
    await retry({ subscription: "other" }),
    await retry({}),
    await app.post(`${path}/retry`),
    await retry({ id: 1 }),
  ]).toEqual([
    { status: 200, retried: 1 },
    { status: 200, retried: 3 },
    { status: 200, retried: 0 },
    { status: 200, retried: 4 },
    { status: 200, retried: 4 },
    expect.objectContaining({ status: 422 }),
  ]);
});

test("letter is discarded once, with its reason", async () => {
  const before = app.lines.length;
  const discard = (id: string, body: unknown) => app.post(`${path}/${id}/discard`, body);
  const refused = { status: 422, code: "validation-failed" };
  expect([
    await discard("4", {}),
    await discard("4", { reason: " " }),
    await discard("4", { reason: "x".repeat(501) }),
    await discard("4", { reason: "a\0b" }),
    await discard("99", { reason: "canary" }),
    await discard("4", { reason: " canary " }),
    await discard("4", { reason: "canary" }),
    await app.post(`${path}/4/retry`),
  ]).toEqual([
    ...Array.from({ length: 4 }, () => expect.objectContaining(refused) as Item),
    { status: 404, code: "not-found" },
    { status: 200, id: 4, state: "discarded", reason: "canary" },
    { status: 409, code: "dead-letter-settled" },
    { status: 409, code: "dead-letter-settled" },
  ]);
  expect(await list("?state=discarded")).toEqual({ ids: [4], nextCursor: null });
  expect(app.lines.slice(before)).toEqual([
    {
      requestId: "r-1",
      principalId: "key:admin",
      route: `${path}/:id/discard`,
      operation: "discard",
      deadLetterId: 4,
    },
  ]);
});
