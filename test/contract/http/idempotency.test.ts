import { afterAll, beforeAll, expect, test } from "bun:test";

import { createApp } from "#http/app.ts";
import { createGroupCommit } from "#store/group-commit.ts";
import { json, openTestApp, type TestApp } from "#test/app.ts";
import { openTestKeyring } from "#test/support/keyrings.ts";
import { openHandler } from "#test/support/orders.ts";
import { openTestPool } from "#test/support/pools.ts";
import { switches } from "#test/support/switches.ts";
import { createBody } from "#test/unit/orders/samples.ts";

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app.close());

const create = (id: string, key: string, body: object = createBody) =>
  app.send(`/commands/orders/${id}/create`, json(body, { "Idempotency-Key": key }));

const ship = (id: string, key: string, headers: Readonly<Record<string, string>> = {}) =>
  app.send(
    `/commands/orders/${id}/ship`,
    json({ carrier: "Royal Mail", trackingNumber: "RM1" }, { "Idempotency-Key": key, ...headers }),
  );

async function seen(answer: Response) {
  return {
    status: answer.status,
    replayed: answer.headers.get("Idempotency-Replayed"),
    etag: answer.headers.get("ETag"),
    position: answer.headers.get("Varve-Position"),
    body: (await answer.json()) as Readonly<Record<string, unknown>>,
  };
}

test("a repeated key gives the first answer again and stores nothing when the request is the same", async () => {
  const first = await seen(await create("again", "k-again"));
  await ship("again", "k-ship");
  const before = await app.eventCount();
  const second = await seen(await create("again", "k-again"));
  expect(second).toEqual({ ...first, replayed: "true" });
  expect(first.status).toBe(201);
  expect(await app.eventCount()).toBe(before);
});

test("a repeated key is refused when anything of the request is another", async () => {
  await create("reused", "k-reused");
  const before = await app.eventCount();
  const others = [
    await create("reused-other", "k-reused"),
    await create("reused", "k-reused", { ...createBody, currency: "EUR" }),
    await ship("reused", "k-reused"),
  ];
  for (const other of others) {
    expect((await seen(other)).body).toMatchObject({ status: 422, code: "idempotency-key-reused" });
  }
  expect(await app.eventCount()).toBe(before);
});

test("a key is free again when its command stored nothing", async () => {
  expect((await ship("late", "k-late")).status).toBe(404);
  await create("late", "k-late-create");
  const shipped = await seen(await ship("late", "k-late"));
  expect({ status: shipped.status, replayed: shipped.replayed }).toEqual({
    status: 200,
    replayed: null,
  });
});

test("a repeated key is replayed before the precondition is tested when the version has moved on", async () => {
  await create("moved", "k-moved-create");
  const first = await seen(await ship("moved", "k-moved", { "If-Match": '"1"' }));
  const second = await seen(await ship("moved", "k-moved", { "If-Match": '"1"' }));
  expect(second).toEqual({ ...first, replayed: "true" });
});

test("a repeated key gives the first answer again when its command changed nothing", async () => {
  const pool = openTestPool(app.url);
  const groupCommit = createGroupCommit(pool);
  const { handle } = openHandler(pool, await openTestKeyring(pool, ["test", 1]), groupCommit);
  const service = createApp({ ...app.dependencies, aggregates: [switches], handle });
  const turn = async (on: boolean, key: string) => {
    const headers = { "Idempotency-Key": key, Authorization: `Bearer ${app.fullKey}` };
    return seen(await service.request("/commands/switches/lamp/turn", json({ on }, headers)));
  };
  const none = await turn(false, "k-none");
  const made = await turn(true, "k-made");
  const same = await turn(true, "k-same");
  await turn(false, "k-back");
  expect([none.status, none.etag, none.body["events"]]).toEqual([200, '"0"', []]);
  expect([same.status, same.etag, same.position]).toEqual([200, '"1"', made.position]);
  expect([await turn(false, "k-none"), await turn(true, "k-same")]).toEqual([
    { ...none, replayed: "true" },
    { ...same, replayed: "true" },
  ]);
  await groupCommit.drain();
  await pool.close(1_000);
});

test("two callers do not meet when they use the same key", async () => {
  const other = await app.keyWith("commands:orders");
  await create("mine", "k-shared");
  const answer = await app.send(
    "/commands/orders/theirs/create",
    json(createBody, { "Idempotency-Key": "k-shared", Authorization: `Bearer ${other}` }),
  );
  expect((await seen(answer)).status).toBe(201);
});

test("one of many stores its events when the same key is sent at once", async () => {
  const before = await app.eventCount();
  const answers = await Promise.all(Array.from({ length: 16 }, () => create("race", "k-race")));
  const statuses = answers.map(({ status }) => status).toSorted((left, right) => left - right);
  expect(new Set(statuses)).toEqual(new Set([201, 409]));
  expect(await app.eventCount()).toBe(before + 1);
  for (const answer of answers.filter(({ status }) => status === 409)) {
    expect((await seen(answer)).body).toMatchObject({ code: "idempotency-in-progress" });
  }
});

for (const key of ["", "two words", "käse", "k".repeat(256)]) {
  test(`a key is refused when it is ${JSON.stringify(key.slice(0, 12))}`, async () => {
    const headers = new Headers(json(createBody).headers);
    headers.set("Idempotency-Key", key);
    const answer = await app.send("/commands/orders/odd/create", { ...json(createBody), headers });
    expect((await seen(answer)).body).toMatchObject({ code: "invalid-idempotency-key" });
  });
}
