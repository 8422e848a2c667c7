import { afterAll, beforeAll } from "bun:test";

import { limits } from "#kernel/limits.ts";

import { openTestApp, type TestApp } from "#test/app.ts";

import { asJson, but, invalid, refusesAll } from "./hostile.ts";

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp();
});
afterAll(() => app.close());

const unsupported = { status: 415, code: "unsupported-media-type" };
const tooLarge = { status: 413, code: "body-too-large" };
const notFound = { status: 404, code: "not-found" };
const unknown = { status: 404, code: "unknown-command" };
const badPrecondition = { status: 400, code: "invalid-precondition" };

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

const wrongMethod = { status: 405, code: "method-not-allowed" };

refusesAll(() => app, {
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

  "an If-Match that is no tag": {
    headers: { ...asJson, "If-Match": "3" },
    body: but({}),
    ...badPrecondition,
  },
  "an If-Match of *": {
    headers: { ...asJson, "If-Match": "*" },
    body: but({}),
    ...badPrecondition,
  },
  "an If-Match of two versions": {
    headers: { ...asJson, "If-Match": '"1", "2"' },
    body: but({}),
    ...badPrecondition,
  },
  "an empty If-Match": {
    headers: { ...asJson, "If-Match": "" },
    body: but({}),
    ...badPrecondition,
  },
  "an If-None-Match of a version": {
    headers: { ...asJson, "If-None-Match": '"1"' },
    body: but({}),
    ...badPrecondition,
  },
  "an If-Match and an If-None-Match": {
    headers: { ...asJson, "If-Match": '"1"', "If-None-Match": "*" },
    body: but({}),
    ...badPrecondition,
  },

  "GET on a command": { method: "GET", ...wrongMethod },
  "a method that nobody knows": {
    method: "BREW",
    ...wrongMethod,
  },
});
