import { afterAll, beforeAll, expect, test } from "bun:test";

import { limits } from "#kernel/limits.ts";

import { openTestApp, type TestApp } from "#test/app.ts";
import { createBody } from "#test/unit/orders/samples.ts";

import { asJson, but, invalid, refusesAll } from "./hostile.ts";

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app.close());

const bytes = (...values: readonly number[]): Uint8Array<ArrayBuffer> => Uint8Array.from(values);
const malformed = { status: 400, code: "malformed-json" };

/** A body of `create` with a member as text, so that it may be what no value can be. */
const and = (member: string): string => `${but({}).slice(0, -1)},${member}}`;
const contact = (fields: Readonly<Record<string, unknown>>): string =>
  but({ contact: { ...createBody.contact, ...fields } });
const line = { sku: "85123A", quantity: 1, unitPrice: 1 };
const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);

const ship = "/commands/orders/hostile/ship";

const lines = (count: number, item: unknown): readonly unknown[] =>
  Array.from({ length: count }, () => item);

refusesAll(() => app, {
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
  "2,001 lines": { body: but({ lines: lines(2_001, line) }), ...invalid("/lines") },
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
});

test("the edge lists 50 faults and no more when a body has thousands", async () => {
  const body = but({ lines: lines(2_000, {}) });
  const answer = await app.send("/commands/orders/many/create", {
    method: "POST",
    headers: asJson,
    body,
  });
  const { errors } = (await answer.json()) as { errors: readonly unknown[] };
  expect({ status: answer.status, errors: errors.length }).toEqual({
    status: 422,
    errors: limits.validationFaults,
  });
});

test("the edge takes a body that is large, deep or odd but right", async () => {
  const longest = lines(2_000, { ...line, sku: "x".repeat(64) });
  const large = `${" ".repeat(100_000)}${but({ lines: longest })}`;
  const headers = { "Content-Type": 'Application/JSON; Charset="UTF-8"', Expect: "100-continue" };
  const first = await app.send("/commands/orders/large/create", {
    method: "POST",
    headers,
    body: large,
  });
  const marked = new Uint8Array([0xef, 0xbb, 0xbf, ...new TextEncoder().encode(but({}))]);
  const second = await app.send("/commands/orders/a.b_c~d:e-f/create", {
    method: "POST",
    headers: asJson,
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
      headers: asJson,
      body,
    });
    expect(answer.status).toBeOneOf([400, 422]);
    expect(await answer.text()).not.toContain(canary);
  }
  expect(app.logText()).not.toContain(canary);
});
