import { afterAll, beforeAll, expect, test } from "bun:test";

import { limits } from "#kernel/limits.ts";

import { openTestApp, type TestApp } from "#test/app.ts";
import { createBody } from "#test/unit/orders/samples.ts";

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app.close());

type Expected = {
  readonly status: number;
  readonly code: string;
  /** The pointers of `errors`, in order; left out where the problem has none. */
  readonly pointers?: readonly string[];
};

type Case = Expected & {
  readonly path?: string;
  readonly body?: NonNullable<RequestInit["body"]>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: string;
};

const bytes = (...values: readonly number[]): Uint8Array<ArrayBuffer> => Uint8Array.from(values);
const malformed = { status: 400, code: "malformed-json" };
const unsupported = { status: 415, code: "unsupported-media-type" };
const tooLarge = { status: 413, code: "body-too-large" };
const notFound = { status: 404, code: "not-found" };
const unknown = { status: 404, code: "unknown-command" };
const badPrecondition = { status: 400, code: "invalid-precondition" };
const invalid = (...pointers: readonly string[]): Expected => ({
  status: 422,
  code: "validation-failed",
  pointers,
});

/** A body of `create` with some of its fields replaced. */
const but = (fields: Readonly<Record<string, unknown>>): string =>
  JSON.stringify({ ...createBody, ...fields });
/** A body of `create` with a member as text, so that it may be what no value can be. */
const and = (member: string): string => `${but({}).slice(0, -1)},${member}}`;
const contact = (fields: Readonly<Record<string, unknown>>): string =>
  but({ contact: { ...createBody.contact, ...fields } });
const line = { sku: "85123A", quantity: 1, unitPrice: 1 };
const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
const spaces = (length: number): string => `{${" ".repeat(length - 2)}}`;

/** A body without a declared length, sent in pieces of 1 KiB. */
const chunked = (length: number): ReadableStream<Uint8Array> => {
  let left = length;
  return new ReadableStream({
    pull: (controller) => {
      if (left <= 0) return controller.close();
      controller.enqueue(new Uint8Array(Math.min(1_024, left)).fill(0x20));
      left -= 1_024;
    },
  });
};

const ship = "/commands/orders/hostile/ship";

const cases: Readonly<Record<string, Case>> = {
  "no body": { ...malformed },
  "an empty body": { body: "", ...malformed },
  "white space": { body: " \n ", ...malformed },
  "half an object": { body: '{"customerId":"c', ...malformed },
  "two objects": { body: "{}{}", ...malformed },
  "a comment": { body: "{/* none */}", ...malformed },
  "a comma too many": { body: '{"reason":"x",}', ...malformed },
  "a control character in a string": { body: '{"a":"\n"}', ...malformed },
  "a number with a leading zero": { body: '{"a":01}', ...malformed },
  NaN: { body: '{"a":NaN}', ...malformed },
  "bytes that are no UTF-8": {
    body: bytes(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d),
    ...malformed,
  },
  "an overlong form of UTF-8": { body: bytes(0x22, 0xc0, 0x80, 0x22), ...malformed },
  "a surrogate as UTF-8": { body: bytes(0x22, 0xed, 0xa0, 0x80, 0x22), ...malformed },
  "UTF-16": { body: bytes(0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00), ...malformed },
  "64 KiB of open brackets": { path: ship, body: "[".repeat(64 * 1_024), ...malformed },
  "512 KiB of open brackets": { body: "[".repeat(512 * 1_024), ...malformed },
  "512 KiB of open objects": { body: '{"a":'.repeat(104_857), ...malformed },

  "an array": { body: "[]", ...invalid("") },
  "a string": { body: '"create"', ...invalid("") },
  "a number": { body: "1", ...invalid("") },
  null: { body: "null", ...invalid("") },
  "512 KiB of nested arrays": { body: nested(256 * 1_024), ...invalid("/0".repeat(32)) },
  "an object nested past the limit": {
    body: and(`"deep":${nested(limits.jsonDepth)}`),
    ...invalid(`/deep${"/0".repeat(limits.jsonDepth - 1)}`),
  },

  "no field at all": {
    body: "{}",
    ...invalid("/customerId", "/contact", "/shippingAddress", "/currency", "/lines"),
  },
  "wrong types": {
    body: but({ customerId: 1, currency: ["GBP"], lines: {}, contact: "Ada" }),
    ...invalid("/customerId", "/contact", "/currency", "/lines"),
  },
  "null for an optional field": { body: but({ placedAt: null }), ...invalid("/placedAt") },
  "a wrong type in a line": {
    body: but({ lines: [line, { ...line, quantity: "2" }] }),
    ...invalid("/lines/1/quantity"),
  },
  "a fraction of a penny": {
    body: but({ lines: [{ ...line, unitPrice: 0.5 }] }),
    ...invalid("/lines/0/unitPrice"),
  },
  "a quantity of zero": {
    body: but({ lines: [{ ...line, quantity: 0 }] }),
    ...invalid("/lines/0/quantity"),
  },
  "no lines": { body: but({ lines: [] }), ...invalid("/lines") },
  "2,001 lines": { body: but({ lines: Array(2_001).fill(line) }), ...invalid("/lines") },
  "lines that are worth too much": {
    body: but({ lines: [{ ...line, quantity: 2 ** 40 }] }),
    ...invalid("/lines"),
  },
  "an over-long name": { body: contact({ name: "A".repeat(201) }), ...invalid("/contact/name") },
  "an over-long id": { body: but({ customerId: "c".repeat(129) }), ...invalid("/customerId") },
  "an e-mail address that is none": {
    body: contact({ email: "ada" }),
    ...invalid("/contact/email"),
  },
  "a time that does not exist": {
    body: but({ placedAt: "2025-02-30T00:00:00Z" }),
    ...invalid("/placedAt"),
  },
  "a time without an offset": {
    body: but({ placedAt: "2025-02-03T00:00:00" }),
    ...invalid("/placedAt"),
  },
  "a time in the future": {
    body: but({ placedAt: "2999-01-01T00:00:00Z" }),
    ...invalid("/placedAt"),
  },
  "an unknown field": { body: but({ colour: "red" }), ...invalid("/colour") },
  "an unknown field with every special character of pointers": {
    body: but({ "a/b~c": 1 }),
    ...invalid("/a~1b~0c"),
  },
  "an unknown field with a long name": { body: but({ ["x".repeat(65)]: 1 }), ...invalid("") },
  "an unknown field in a personal one": {
    body: contact({ "ada@example.org": true }),
    ...invalid("/contact"),
  },

  "NUL in a string": { body: contact({ name: "A\0da" }), ...invalid("/contact/name") },
  "NUL in a name": { body: and('"a\\u0000b":1'), ...invalid("") },
  "NUL in an item": { body: and('"tags":["ok","\\u0000"]'), ...invalid("/tags/1") },
  "the first half of a surrogate pair": {
    path: ship,
    body: '{"carrier":"\\ud83d","trackingNumber":"1"}',
    ...invalid("/carrier"),
  },
  "the second half of a surrogate pair": { body: and('"note":"\\ude00"'), ...invalid("/note") },
  "half of a surrogate pair in a name": { body: and('"\\ud83d":1'), ...invalid("") },
  "2^53": { body: and('"n":9007199254740992'), ...invalid("/n") },
  "2^53 + 1, which a double rounds": { body: and('"n":9007199254740993'), ...invalid("/n") },
  "-2^53": { body: and('"n":-9007199254740992'), ...invalid("/n") },
  "a number of 400 digits": { body: and(`"n":${"9".repeat(400)}`), ...invalid("/n") },
  "1e400": { body: and('"n":1e400'), ...invalid("/n") },
  "-1e400": { body: and('"n":[-1e400]'), ...invalid("/n/0") },
  __proto__: { body: and('"__proto__":{"status":"shipped"}'), ...invalid("/__proto__") },
  "__proto__ in escapes": { body: and('"__\\u0070roto__":1'), ...invalid("/__proto__") },
  constructor: {
    body: and('"constructor":{"prototype":1}'),
    ...invalid("/constructor", "/constructor/prototype"),
  },
  "__proto__ in a personal field": {
    body: and('"contact":{"__proto__":1}'),
    ...invalid("/contact", "/contact"),
  },
  "a field twice": { body: and('"customerId":"other"'), ...invalid("/customerId") },
  "a field twice, once in escapes": {
    body: and('"\\u0063urrency":"EUR"'),
    ...invalid("/currency"),
  },
  "a field twice in an item": {
    path: ship,
    body: '{"a":[{},{"b":1,"b":2}]}',
    ...invalid("/a/1/b"),
  },

  "no content type": { headers: {}, body: but({}), ...unsupported },
  "an empty content type": { headers: { "Content-Type": "" }, body: but({}), ...unsupported },
  "a form": {
    headers: { "Content-Type": "application/x-www-form-urlencoded" },
    body: "a=1",
    ...unsupported,
  },
  "text that is JSON": { headers: { "Content-Type": "text/plain" }, body: but({}), ...unsupported },
  "a kind that ends in json": {
    headers: { "Content-Type": "application/vnd.api+json" },
    body: but({}),
    ...unsupported,
  },
  "JSON in UTF-16": {
    headers: { "Content-Type": "application/json; charset=utf-16" },
    body: but({}),
    ...unsupported,
  },
  "a compressed body": {
    headers: { "Content-Type": "application/json", "Content-Encoding": "gzip" },
    body: Bun.gzipSync(but({})),
    ...unsupported,
  },

  "a body over 64 KiB": { path: ship, body: spaces(limits.bodyBytes + 1), ...tooLarge },
  "a body over what the command declares": { body: spaces(512 * 1_024 + 1), ...tooLarge },
  "a declared length over the limit": {
    path: ship,
    headers: { "Content-Type": "application/json", "Content-Length": "65537" },
    body: "{}",
    ...tooLarge,
  },
  "a body that is longer than declared": {
    path: ship,
    headers: { "Content-Type": "application/json", "Content-Length": "2" },
    body: spaces(limits.bodyBytes + 1),
    ...tooLarge,
  },
  "pieces that come to more than 64 KiB": {
    path: ship,
    body: chunked(limits.bodyBytes + 1),
    ...tooLarge,
  },
  "pieces without an end": { body: chunked(Infinity), ...tooLarge },

  "an unknown command": { path: "/commands/orders/1/shipp", body: "{}", ...unknown },
  "a command of Object.prototype": { path: "/commands/orders/1/toString", body: "{}", ...unknown },
  "an unknown aggregate": { path: "/commands/customers/1/create", body: "{}", ...unknown },
  "a trailing slash": { path: "/commands/orders/1/create/", ...notFound },
  "an empty id": { path: "/commands/orders//create", ...notFound },
  "no command": { path: "/commands/orders/1", ...notFound },
  "a bare percent sign": { path: "/commands/orders/%/create", ...invalid("/id") },
  "an id that is no UTF-8": { path: "/commands/orders/%ff/create", ...invalid("/id") },
  "an id with NUL": { path: "/commands/orders/a%00b/create", ...invalid("/id") },
  "an id with a slash": { path: "/commands/orders/a%2Fb/create", ...invalid("/id") },
  "an id that leads upwards": {
    path: "/commands/orders/..%2f..%2fhealth/create",
    ...invalid("/id"),
  },
  "an id with a line break": { path: "/commands/orders/a%0d%0ab/create", ...invalid("/id") },
  "an id of 129 characters": {
    path: `/commands/orders/${"a".repeat(129)}/create`,
    ...invalid("/id"),
  },
  "an id of 100,000 characters": {
    path: `/commands/orders/${"a".repeat(100_000)}/create`,
    ...invalid("/id"),
  },
  "an id in letters beyond ASCII": { path: "/commands/orders/%C3%A4/create", ...invalid("/id") },

  "an If-Match that is no tag": { headers: { "If-Match": "3" }, ...badPrecondition },
  "an If-Match of *": { headers: { "If-Match": "*" }, ...badPrecondition },
  "an If-Match of two versions": { headers: { "If-Match": '"1", "2"' }, ...badPrecondition },
  "an empty If-Match": { headers: { "If-Match": "" }, ...badPrecondition },
  "an If-None-Match of a version": { headers: { "If-None-Match": '"1"' }, ...badPrecondition },
  "an If-Match and an If-None-Match": {
    headers: { "If-Match": '"1"', "If-None-Match": "*" },
    ...badPrecondition,
  },

  "GET on a command": { method: "GET", ...{ status: 405, code: "method-not-allowed" } },
  "a method that nobody knows": {
    method: "BREW",
    ...{ status: 405, code: "method-not-allowed" },
  },
};

for (const [title, hostile] of Object.entries(cases)) {
  const { status, code, pointers, path = "/commands/orders/hostile/create" } = hostile;
  test(`the edge answers ${status} ${code} and stores nothing when it gets ${title}`, async () => {
    const before = await app.eventCount();
    const isPrecondition = code === "invalid-precondition";
    const { method = "POST", body = isPrecondition ? but({}) : undefined } = hostile;
    const headers =
      hostile.headers === undefined || isPrecondition
        ? { "Content-Type": "application/json", ...hostile.headers }
        : hostile.headers;
    const init = { method, headers, ...(body === undefined ? {} : { body }) };
    const answer = await app.send(path, init);
    const { errors, ...problem } = (await answer.json()) as Record<string, unknown> & {
      errors?: { pointer: string; message: string }[];
    };
    expect({
      status: answer.status,
      contentType: answer.headers.get("Content-Type"),
      type: problem["type"],
      statusMember: problem["status"],
      code: problem["code"],
      requestId: problem["requestId"],
      pointers: errors?.map(({ pointer }) => pointer),
    }).toEqual({
      status,
      contentType: "application/problem+json",
      type: `urn:varve:problem:${code}`,
      statusMember: status,
      code,
      requestId: answer.headers.get("X-Request-Id"),
      pointers: pointers === undefined ? undefined : [...pointers],
    });
    expect(await app.eventCount()).toBe(before);
  });
}

test("the edge lists 50 faults and no more when a body has thousands", async () => {
  const body = but({ lines: Array(2_000).fill({}) });
  const headers = { "Content-Type": "application/json" };
  const answer = await app.send("/commands/orders/many/create", { method: "POST", headers, body });
  const { errors } = (await answer.json()) as { errors: readonly unknown[] };
  expect({ status: answer.status, errors: errors.length }).toEqual({
    status: 422,
    errors: limits.validationFaults,
  });
});

test("the edge takes a body that is large, deep or odd but right", async () => {
  const lines = Array<unknown>(2_000).fill({ ...line, sku: "x".repeat(64) });
  const large = `${" ".repeat(100_000)}${but({ lines })}`;
  const headers = { "Content-Type": 'Application/JSON; Charset="UTF-8"', Expect: "100-continue" };
  const first = await app.send("/commands/orders/large/create", {
    method: "POST",
    headers,
    body: large,
  });
  const marked = new Uint8Array([0xef, 0xbb, 0xbf, ...new TextEncoder().encode(but({}))]);
  const second = await app.send("/commands/orders/a.b_c~d:e-f/create", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: new ReadableStream<Uint8Array>({
      start: (controller) => {
        for (const byte of marked) controller.enqueue(Uint8Array.of(byte));
        controller.close();
      },
    }),
  });
  expect([first.status, second.status]).toEqual([201, 201]);
});

test("the edge repeats and logs nothing of personal fields when they have faults", async () => {
  const canary = "canary-7f3a";
  const bodies = [
    contact({ name: 7, email: canary, [canary]: canary }),
    contact({ phone: `${canary}\0` }),
    contact({ [`${canary}\0`]: 1 }),
    but({ contact: canary }),
    but({ contact: [canary] }),
    but({ shippingAddress: { ...createBody.shippingAddress, country: canary, [canary]: 1 } }),
    and(`"contact":{"${canary}":1,"${canary}":2}`),
    contact({ name: canary.repeat(20) }),
    `{"contact":{"name":"${canary}`,
  ];
  for (const body of bodies) {
    const answer = await app.send("/commands/orders/canary/create", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body,
    });
    expect(answer.status).toBeOneOf([400, 422]);
    expect(await answer.text()).not.toContain(canary);
  }
  expect(app.logText()).not.toContain(canary);
});
