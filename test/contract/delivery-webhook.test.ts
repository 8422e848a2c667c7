import { afterEach, describe, expect, test } from "bun:test";

import { Webhook } from "standardwebhooks";

import type { VarveError } from "#kernel/errors.ts";
import { cloudEventOf } from "#subscription/delivery/cloud-event.ts";
import { createWebhook, retryAfterMs } from "#subscription/delivery/webhook.ts";
import { type Answering, type Receiver, startReceiver } from "#test/support/receiver.ts";
import { created, never, secretOf } from "#test/unit/delivery/samples.ts";

const event = cloudEventOf(created, "urn:varve:shop");
const name = "order-events";

let receiver: Receiver | undefined;
afterEach(() => receiver?.stop());

function open(answer?: Answering, options: { secrets?: readonly string[]; path?: string } = {}) {
  receiver = startReceiver(answer);
  const url = `${receiver.url}${options.path ?? "/events?of=canary"}`;
  const secrets = options.secrets ?? [secretOf(7)];
  const webhook = createWebhook({ name, url, secrets, clock: Date.now });
  const fails = async () => {
    const error: unknown = await webhook.send(event, never).catch((thrown: unknown) => thrown);
    const { code, retryable, message, context, cause } = error as VarveError;
    return { code, retryable, message, context, cause };
  };
  return { webhook, receiver, fails };
}

/** `v1,…` by Web Crypto alone, so that the library does not speak for itself. */
async function signature(secret: string, signed: string): Promise<string> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const bytes = Uint8Array.fromBase64(secret.replace("whsec_", ""));
  const key = await crypto.subtle.importKey("raw", bytes, algorithm, false, ["sign"]);
  const mac = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(signed));
  return `v1,${new Uint8Array(mac).toBase64()}`;
}

describe("a webhook", () => {
  test("sends the event as one signed POST", async () => {
    const { webhook, receiver } = open();
    const before = Math.floor(Date.now() / 1_000);
    await webhook.send(event, never);
    const { method, path, headers, body } = receiver.only();
    expect([method, path, JSON.parse(body)]).toEqual(["POST", "/events?of=canary", event]);
    const at = headers["webhook-timestamp"] ?? "";
    expect(Number(at)).toBeWithin(before, before + 60);
    expect(headers).toMatchObject({
      "content-type": "application/cloudevents+json",
      "webhook-id": event.id,
      "webhook-signature": await signature(secretOf(7), `${event.id}.${at}.${body}`),
    });
  });

  test("is believed with the old secret and the new one while they change over", async () => {
    const { webhook, receiver } = open(undefined, { secrets: [secretOf(7), secretOf(8)] });
    await webhook.send(event, never);
    const { headers, body } = receiver.only();
    for (const byte of [7, 8]) {
      expect(new Webhook(secretOf(byte)).verify(body, headers)).toEqual(event);
    }
    expect(() => new Webhook(secretOf(9)).verify(body, headers)).toThrow("No matching signature");
    const edited = body.replace("2208", "2209");
    expect(() => new Webhook(secretOf(7)).verify(edited, headers)).toThrow("No matching signature");
  });

  test("sends the same body under the same id, at a time of its own, when it is tried again", async () => {
    receiver = startReceiver();
    let nowMs = 1_800_000_000_999;
    const webhook = createWebhook({
      name,
      url: receiver.url,
      secrets: [secretOf(7)],
      clock: () => nowMs,
    });
    await webhook.send(event, never);
    nowMs += 60_000;
    await webhook.send(event, never);
    const [first, second] = receiver.received;
    expect([second?.body, second?.headers["webhook-id"]]).toEqual([first?.body, event.id]);
    const times = receiver.received.map(({ headers }) => headers["webhook-timestamp"]);
    expect(times).toEqual(["1800000000", "1800000060"]);
  });

  test.each([200, 201, 202, 204, 299])("has delivered when the answer is %d", async (status) => {
    const { webhook } = open(() => new Response(null, { status }));
    expect(await webhook.send(event, never)).toBeUndefined();
  });

  test.each([
    [
      "dependency-unavailable",
      true,
      "is not available",
      [300, 301, 302, 303, 304, 307, 308, 401, 403, 404, 407, 408, 410, 425, 429, 502, 503, 504],
    ],
    ["delivery-failed", true, "failed on an event", [500, 501, 505, 507, 599]],
    ["delivery-refused", false, "refused an event", [400, 405, 409, 413, 415, 422, 451]],
  ] as const)("fails with %s when the status says so", async (code, retryable, says, statuses) => {
    let status = 0;
    const headers = { Location: "/elsewhere?canary" };
    const { fails, receiver } = open(() => new Response("canary", { status, headers }));
    for (status of statuses) {
      expect(await fails()).toEqual({
        code,
        retryable,
        message: `the target of order-events ${says}`,
        context: { target: name, status },
        cause: undefined,
      });
    }
    const paths = new Set(receiver.received.map(({ path }) => path));
    expect([receiver.received.length, paths]).toEqual([
      statuses.length,
      new Set(["/events?of=canary"]),
    ]);
  });

  test("says how long the receiver wants to be left alone when it says so", async () => {
    const { fails } = open(
      () => new Response(null, { status: 429, headers: { "Retry-After": "7" } }),
    );
    const { code, context } = await fails();
    expect([code, context]).toEqual([
      "dependency-unavailable",
      { target: name, status: 429, retryAfterMs: 7_000 },
    ]);
  });
});

test.each([
  [null, undefined],
  ["0", 0],
  [" 120 ", 120_000],
  ["86400", 600_000],
  ["Tue, 15 Nov 1994 08:12:41 GMT", 10_000],
  ["Tue, 15 Nov 1994 08:12:30 GMT", 0],
  ["Tue, 15 Nov 2094 08:12:30 GMT", 600_000],
  ["soon", undefined],
  ["", undefined],
])("Retry-After %p is a bounded time when it is read", (value, ms) => {
  expect(retryAfterMs(value, Date.parse("1994-11-15T08:12:31Z"))).toBe(ms);
});
