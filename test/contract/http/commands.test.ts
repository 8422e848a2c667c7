import { afterAll, beforeAll, expect, test } from "bun:test";

import { json, openTestApp, type TestApp } from "#test/app.ts";
import { createBody } from "#test/unit/orders/samples.ts";

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app.close());

type Answer = {
  readonly aggregate: string;
  readonly id: string;
  readonly version: number;
  readonly position: number;
  readonly events: readonly { id: string; type: string; version: number; position: number }[];
};

const create = (id: string, headers?: Readonly<Record<string, string>>) =>
  app.send(`/commands/orders/${id}/create`, json(createBody, headers));

const ship = (id: string, headers?: Readonly<Record<string, string>>) =>
  app.send(
    `/commands/orders/${id}/ship`,
    json({ carrier: "Royal Mail", trackingNumber: "RM1" }, headers),
  );

const changeContact = (id: string, headers?: Readonly<Record<string, string>>) =>
  app.send(`/commands/orders/${id}/change-contact`, json({ contact: createBody.contact }, headers));

async function problemOf(answer: Response): Promise<Readonly<Record<string, unknown>>> {
  const { requestId, title, detail, ...rest } = (await answer.json()) as Record<string, unknown>;
  expect(requestId).toBe(answer.headers.get("X-Request-Id"));
  expect([typeof title, typeof detail]).toEqual(["string", "string"]);
  return rest;
}

/** How many answers have each status. */
const countOf = (answers: readonly Response[]): Readonly<Record<number, number>> => {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
};

test("a command answers 201 with its events when it begins a stream, 200 after that", async () => {
  const created = await create("first");
  const body = (await created.json()) as Answer;
  const eventId: unknown = expect.stringMatching(/^[0-9a-f-]{36}$/);
  expect(body).toEqual({
    aggregate: "orders",
    id: "first",
    version: 1,
    position: body.position,
    events: [{ id: eventId as string, type: "OrderCreated", version: 1, position: body.position }],
  });
  expect({
    status: created.status,
    etag: created.headers.get("ETag"),
    position: created.headers.get("Varve-Position"),
    location: created.headers.get("Location"),
    contentType: created.headers.get("Content-Type"),
  }).toEqual({
    status: 201,
    etag: '"1"',
    position: String(body.position),
    location: "/queries/orders/first",
    contentType: "application/json",
  });
  const shipped = await ship("first");
  expect([shipped.status, shipped.headers.get("ETag")]).toEqual([200, '"2"']);
});

test("an event's metadata says who asked in which request when it is stored", async () => {
  const answer = await create("traced", { "X-Request-Id": "request.of_a-caller" });
  expect(answer.headers.get("X-Request-Id")).toBe("request.of_a-caller");
  const { position } = (await answer.json()) as Answer;
  const [stored] = await app.events(position - 1);
  const keyId = /^varve_test_([0-9a-f]+)_/.exec(app.fullKey)?.[1];
  expect(stored?.metadata).toEqual({ requestId: "request.of_a-caller", actor: `key:${keyId}` });
  expect(JSON.stringify(stored)).not.toContain("Ada");
});

test("a request gets an id of ours when the caller's is not a sane one", async () => {
  for (const id of ["", "a b", "ä", "x".repeat(129), "<script>"]) {
    const answer = await app.send("/health/live", { headers: { "X-Request-Id": id } });
    expect(answer.headers.get("X-Request-Id")).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  }
});

test("a rejection is 409, or 404 when there is nothing to act on, with its own fields", async () => {
  await create("rejected");
  expect(await problemOf(await create("rejected"))).toEqual({
    type: "urn:varve:problem:order-already-exists",
    status: 409,
    code: "order-already-exists",
    orderStatus: "created",
  });
  for (const answer of [await ship("nowhere"), await changeContact("nowhere")]) {
    expect(await problemOf(answer)).toEqual({
      type: "urn:varve:problem:order-not-found",
      status: 404,
      code: "order-not-found",
    });
  }
});

test("If-Match lets a command through when it names the version, with weak tags aside", async () => {
  await create("matched");
  expect((await changeContact("matched", { "If-Match": '"1"' })).status).toBe(200);
  expect((await changeContact("matched", { "If-Match": 'W/"7" , "2"' })).status).toBe(200);
  const before = await app.eventCount();
  const stale = await changeContact("matched", { "If-Match": '"1"' });
  expect([stale.status, await problemOf(stale)]).toEqual([
    412,
    {
      type: "urn:varve:problem:version-mismatch",
      status: 412,
      code: "version-mismatch",
      version: 3,
    },
  ]);
  for (const tag of ['W/"3"', '"03"', '"abc"', '"3', '"99999999999999999999"']) {
    const answer = await changeContact("matched", { "If-Match": tag });
    expect(answer.status).toBe(tag === '"3' ? 400 : 412);
  }
  expect(await app.eventCount()).toBe(before);
});

test("If-None-Match of * lets a command through only when there is no stream", async () => {
  expect((await create("none-match", { "If-None-Match": "*" })).status).toBe(201);
  const again = await create("none-match", { "If-None-Match": "*" });
  expect([again.status, (await problemOf(again))["code"]]).toEqual([412, "version-mismatch"]);
});

test("an Idempotency-Key is no obstacle when a command carries one", async () => {
  expect((await create("keyed", { "Idempotency-Key": "k-1" })).status).toBe(201);
});

test("one of many commands wins when all of them want to be the first", async () => {
  const answers = await Promise.all(Array.from({ length: 12 }, () => create("race-first")));
  expect(countOf(answers)).toEqual({ 201: 1, 409: 11 });
  const problems = await Promise.all(answers.filter(({ status }) => status === 409).map(problemOf));
  expect(new Set(problems.map(({ code }) => code))).toEqual(new Set(["order-already-exists"]));
});

test("a lost race is decided again when the caller expects no version", async () => {
  await create("race");
  const answers = await Promise.all(Array.from({ length: 4 }, () => changeContact("race")));
  expect(countOf(answers)).toEqual({ 200: 4 });
  expect(new Set(answers.map(({ headers }) => headers.get("ETag")))).toEqual(
    new Set(['"2"', '"3"', '"4"', '"5"']),
  );
});

test("a race is lost at once when the caller expects a version", async () => {
  await create("race-matched");
  const answers = await Promise.all(
    Array.from({ length: 6 }, () => changeContact("race-matched", { "If-Match": '"1"' })),
  );
  expect(countOf(answers)).toEqual({ 200: 1, 412: 5 });
});

test("a crowd at one stream is told to come again when a race was lost too often", async () => {
  await create("crowd");
  const answers = await Promise.all(Array.from({ length: 40 }, () => changeContact("crowd")));
  const accepted = answers.filter(({ status }) => status === 200);
  const refused = await Promise.all(
    answers.filter(({ status }) => status !== 200).map(async (answer) => problemOf(answer)),
  );
  expect(countOf(answers)).toEqual({ 200: accepted.length, 409: refused.length });
  expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(["version-conflict"]));
  const last = await changeContact("crowd");
  expect(last.headers.get("ETag")).toBe(`"${accepted.length + 2}"`);
});
