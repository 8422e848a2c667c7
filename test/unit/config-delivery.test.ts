import { describe, expect, test } from "bun:test";

import { describeConfig } from "#ops/config-table.ts";
import { type Environment, loadConfig, requireConfig } from "#ops/config.ts";

import { secretOf } from "./delivery/samples.ts";

const key = new Uint8Array(32).fill(7).toBase64();
const secrets = `order-events:${secretOf(7)}`;

const production: Environment = {
  APP_ENV: "production",
  DATABASE_URL: "postgres://db/varve",
  PII_MASTER_KEYS: `k1:${key}`,
  PII_INDEX_KEY: key,
  PII_LOOKUP_KEY: key,
  AUDIT_SIGNING_KEY: `MC4CAQAwBQYDK2VwBCIEI${"A".repeat(43)}`,
};

function faultsOf(env: Environment): readonly string[] {
  const loaded = loadConfig(env);
  return loaded.ok ? [] : loaded.error.map(({ name, message }) => `${name} ${message}`);
}

const webhook = (url: string, more: Environment = {}): Environment => ({
  DELIVERY_TARGETS: `order-events=${url}`,
  DELIVERY_SECRETS: secrets,
  ...more,
});

describe("delivery", () => {
  test("goes nowhere, and has the service's name, when nothing is set", () => {
    expect(requireConfig({ OTEL_SERVICE_NAME: "shop/eu" }).delivery).toEqual({
      source: "urn:varve:shop%2Feu",
      targets: [],
    });
  });

  test("has its target with every secret in their order when they are set", () => {
    const env = webhook("https://hooks.example/a?b=c=d", {
      DELIVERY_SECRETS: `${secrets},order-events:${secretOf(8)}`,
      DELIVERY_SOURCE: "/orders",
    });
    expect(requireConfig(env).delivery).toEqual({
      source: "/orders",
      targets: [
        {
          name: "order-events",
          url: "https://hooks.example/a?b=c=d",
          secrets: [secretOf(7), secretOf(8)],
        },
      ],
    });
  });

  test.each([
    "nats://localhost",
    "nats://user:p%40ss@nats.internal:4222/",
    "tls://token@nats.internal:4222/shop.eu",
    "nats://[::1]:4222/shop",
  ])("takes %s without a secret", (url) => {
    const { targets } = requireConfig({ DELIVERY_TARGETS: `order-events=${url}` }).delivery;
    expect(targets).toEqual([{ name: "order-events", url, secrets: [] }]);
  });

  test("lists every fault at once when many settings are malformed", () => {
    expect(
      faultsOf({
        DELIVERY_TARGETS: "order-events=https://u:p@h/,order-events=nats://h/a/b",
        DELIVERY_SECRETS: "order-events:whsec_c2hvcnQ=",
        DELIVERY_SOURCE: "two words",
      }),
    ).toEqual([
      "DELIVERY_TARGETS must have no user, password or fragment in an http or https URL",
      "DELIVERY_TARGETS must have in a nats or tls URL a user, a password and no path but a prefix of subjects like /shop",
      "DELIVERY_TARGETS must name each publication once",
      "DELIVERY_SECRETS must be name:whsec_base64 pairs separated by commas, each of 24 to 64 bytes",
      "DELIVERY_SOURCE must be a URI reference of at most 255 characters",
    ]);
  });

  const pairs = "must be name=url pairs separated by commas, each URL http, https, nats or tls";
  test.each([
    "https://hooks.example/",
    "order-events",
    "order-events=",
    "order-events=ftp://h",
    "order-events=https://",
    "order-events=https://h/a,b",
    "Order Events=https://h",
    "order-events=https://h/,",
    "order-events=https://h/\n",
  ])("is refused when the targets are %p", (text) => {
    expect(faultsOf({ DELIVERY_TARGETS: text, DELIVERY_SECRETS: secrets })).toEqual([
      `DELIVERY_TARGETS ${pairs}`,
    ]);
  });

  const server =
    "must have in a nats or tls URL a user, a password and no path but a prefix of subjects like /shop";
  test.each([
    "nats://h/a b",
    "nats://h/>",
    "nats://h/a..b",
    "nats://h?a=b",
    "nats://:p@h",
    "nats://a%zz@h",
  ])("is refused when the server is %p", (url) => {
    const [fault] = faultsOf({ DELIVERY_TARGETS: `order-events=${url}` });
    expect(fault).toBe(`DELIVERY_TARGETS ${url.includes(" ") ? pairs : server}`);
  });

  test.each([
    ["order-events:whsec_", 0],
    [secretOf(7), 32],
    [`order-events:${key}`, 32],
    [`order-events:whsec_${new Uint8Array(23).toBase64()}`, 23],
    [`order-events:whsec_${new Uint8Array(65).toBase64()}`, 65],
    [`${secrets},`, 32],
  ])("is refused when the secrets are %p", (text) => {
    expect(faultsOf({ ...webhook("https://h"), DELIVERY_SECRETS: text })).toEqual([
      "DELIVERY_SECRETS must be name:whsec_base64 pairs separated by commas, each of 24 to 64 bytes",
    ]);
  });

  test("is refused when no publication has the name, and the fault names those that there are", () => {
    expect(faultsOf({ DELIVERY_TARGETS: "order-event=nats://h" })).toEqual([
      "DELIVERY_TARGETS must only name publications of the domain: order-events",
    ]);
  });

  test("is refused when a webhook has no secret, or a secret no webhook", () => {
    expect(faultsOf({ DELIVERY_TARGETS: "order-events=https://h" })).toEqual([
      "DELIVERY_SECRETS must have a secret for each http or https URL of DELIVERY_TARGETS",
    ]);
    const useless = "DELIVERY_SECRETS must only name http and https targets of DELIVERY_TARGETS";
    expect(faultsOf({ DELIVERY_SECRETS: secrets })).toEqual([useless]);
    expect(faultsOf(webhook("nats://h"))).toEqual([useless]);
  });

  test("leaves the machine in clear text in development alone", () => {
    const clear = "http://hooks.internal/";
    expect(faultsOf(webhook(clear))).toEqual([]);
    expect(faultsOf(webhook(clear, production))).toEqual([
      "DELIVERY_TARGETS must have https in production, but for a loopback address",
    ]);
    for (const url of [
      "http://127.0.0.1:8080/",
      "http://[::1]/",
      "http://localhost/",
      "https://h",
    ]) {
      expect(faultsOf(webhook(url, production))).toEqual([]);
    }
    expect(faultsOf(webhook("http://127.evil.example/", production))).toHaveLength(1);
  });

  test("shows no password, token, query or secret when its settings are shown", () => {
    const shown = (env: Environment) =>
      describeConfig(env, requireConfig(env))
        .filter(({ name }) => name.startsWith("DELIVERY_"))
        .map(({ value }) => value);
    const source = "urn:varve: and OTEL_SERVICE_NAME";
    expect(shown(webhook("https://h.example:8443/in?key=canary"))).toEqual([
      "order-events=https://h.example:8443/in?…",
      "order-events:***",
      source,
    ]);
    const servers = ["nats://canary@h:4222/shop", "tls://user:canary@h"].map((url) =>
      shown({ DELIVERY_TARGETS: `order-events=${url}` }),
    );
    expect(servers).toEqual([
      ["order-events=nats://***@h:4222/shop", "", source],
      ["order-events=tls://user:***@h", "", source],
    ]);
  });
});
