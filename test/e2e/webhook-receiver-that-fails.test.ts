import { afterEach, expect, test } from "bun:test";

import { Webhook } from "standardwebhooks";

import { type Answering, type Received, startReceiver } from "#test/support/receiver.ts";
import { until } from "#test/until.ts";

import {
  orderNames,
  type Publishing,
  secret,
  shipOrders,
  startPublishing,
} from "./publications.ts";

const closes: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closes.splice(0).toReversed()) await close();
});

async function open(answer: Answering) {
  const receiver = startReceiver(answer);
  closes.push(receiver.stop);
  const publishing = await startPublishing(receiver.url);
  closes.push(publishing.close);
  return { receiver, publishing };
}

const taken = () => new Response(null, { status: 204 });

type Sent = {
  readonly id: string;
  readonly subject: string;
  readonly streamversion: number;
};

/** The event, whose signature must hold. */
function verified({ body, headers }: Received): Sent {
  const event = new Webhook(secret).verify(body, { ...headers }) as Sent;
  expect(headers["webhook-id"]).toBe(event.id);
  return event;
}

const eventOf = ({ body }: Received): Sent => JSON.parse(body) as Sent;

const isOf = (received: Received, order: string, version: number): boolean => {
  const { subject, streamversion } = eventOf(received);
  return subject === `Order-${order}` && streamversion === version;
};

/** All events of the log, each once but for repeats, and in order of each stream. */
async function expectAll(publishing: Publishing, requests: readonly Received[]): Promise<void> {
  const events = requests.map(verified);
  const first = [...new Map(events.map((event) => [event.id, event])).values()];
  expect(first.map(({ id }) => id).toSorted()).toEqual(
    [...(await publishing.eventIds())].toSorted(),
  );
  for (const [subject, of] of Map.groupBy(first, (event) => event.subject)) {
    const versions = of.map(({ streamversion }) => streamversion);
    expect([subject, versions]).toEqual([subject, versions.map((_, index) => index + 1)]);
  }
}

const isLive = (publishing: Publishing) => async (): Promise<boolean> => {
  const health = await publishing.health();
  return health?.state === "live" && health.lagEvents === 0;
};

test("publication pauses while its receiver answers 503, and loses nothing", async () => {
  let isUp = false;
  const accepted: Received[] = [];
  const { publishing } = await open((received) => {
    if (!isUp) return new Response(null, { status: 503 });
    accepted.push(received);
    return taken();
  });
  await shipOrders(publishing, orderNames("o", 20));
  await until("it pauses", async () => (await publishing.health())?.state === "error");
  expect(await publishing.health()).toMatchObject({
    lagEvents: 40,
    lastError: "dependency-unavailable",
  });
  isUp = true;
  await until("it is live", isLive(publishing), 20_000);
  await expectAll(publishing, accepted);
  expect(accepted).toHaveLength(40);
  expect(await publishing.letters()).toEqual([]);
}, 40_000);

test("publication rests for as long as its receiver asks for", async () => {
  const atMs: number[] = [];
  const { publishing } = await open(() => {
    atMs.push(performance.now());
    return atMs.length > 1
      ? taken()
      : new Response(null, { status: 503, headers: { "retry-after": "3" } });
  });
  await shipOrders(publishing, ["o"]);
  await until("it is live", async () => atMs.length > 1 && isLive(publishing)(), 20_000);
  const [first = 0, second = 0] = atMs;
  expect(second - first).toBeGreaterThan(2_900);
  expect(second - first).toBeLessThan(6_000);
}, 40_000);

test("publication pauses while its receiver hangs, and loses nothing", async () => {
  const hanging = Promise.withResolvers<undefined>();
  let isUp = false;
  const accepted: Received[] = [];
  const { publishing } = await open((received) => {
    if (!isUp) return hanging.promise.then(() => new Response(null, { status: 503 }));
    accepted.push(received);
    return taken();
  });
  await shipOrders(publishing, orderNames("o", 5));
  // An answer has fifteen seconds.
  const isPaused = async () => (await publishing.health())?.state === "error";
  await until("it pauses", isPaused, 25_000);
  expect(await publishing.letters()).toEqual([]);
  isUp = true;
  hanging.resolve(undefined);
  await until("it is live", isLive(publishing), 20_000);
  await expectAll(publishing, accepted);
}, 60_000);

test("others flow when a receiver breaks over one event, which is tried again and put aside", async () => {
  let isBroken = true;
  const accepted: Received[] = [];
  let attempts = 0;
  const { publishing } = await open((received) => {
    if (isBroken && isOf(received, "o-3", 1)) {
      attempts += 1;
      return new Response(null, { status: 500 });
    }
    accepted.push(received);
    return taken();
  });
  await shipOrders(publishing, orderNames("o", 10));
  const aside = async () =>
    (await publishing.letters()).some((one) => one.includes("delivery-failed waiting 4 waits"));
  await until("it is put aside", aside, 15_000);
  expect(attempts).toBe(4);
  expect(accepted).toHaveLength(18);
  expect(accepted.some((received) => eventOf(received).subject === "Order-o-3")).toBe(false);
  const letters = (await publishing.letters()).map((letter) => letter.replace(/ \d+ /, " n "));
  expect(letters).toEqual([
    "Order-o-3 n delivery-failed waiting 4 waits",
    "Order-o-3 n behind-dead-letter waiting 0 waits",
  ]);
  await until("it is live", isLive(publishing));
  expect(await publishing.health()).toMatchObject({ deadLetters: 2 });

  isBroken = false;
  await publishing.sql("select varve.retry_dead_letters()");
  await until("both are taken", () => accepted.length === 20, 10_000);
  await expectAll(publishing, accepted);
}, 40_000);

test("event is put aside at once when its receiver refuses it", async () => {
  let attempts = 0;
  const accepted: Received[] = [];
  const { publishing } = await open((received) => {
    if (isOf(received, "o-3", 2)) {
      attempts += 1;
      return new Response(null, { status: 400 });
    }
    accepted.push(received);
    return taken();
  });
  await shipOrders(publishing, orderNames("o", 10));
  await until("it is put aside", async () => (await publishing.letters()).length === 1);
  await until("it is live", isLive(publishing));
  const [letter] = await publishing.letters();
  expect(letter).toMatch(/^Order-o-3 \d+ delivery-refused waiting 1 waits$/);
  expect([attempts, accepted.length]).toEqual([1, 19]);
}, 40_000);
