import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";

import type { ErrorCode, ErrorContext, VarveError } from "#kernel/errors.ts";
import { cloudEventOf, type PublishedEvent } from "#subscription/delivery/cloud-event.ts";
import { createJetStream, loadNatsClient } from "#subscription/delivery/jetstream.ts";
import type { Target } from "#subscription/delivery/target.ts";
import {
  createNatsServer,
  natsServer,
  type NatsServer,
  withStreams,
} from "#test/support/nats-server.ts";
import { created, never } from "#test/unit/delivery/samples.ts";

const stream = "EVENTS";

let server: NatsServer;
let target: Target;

const eventOf = (changes: Partial<PublishedEvent> = {}) =>
  cloudEventOf({ ...created, ...changes }, "urn:varve:shop");

const open = async (url: string): Promise<Target> =>
  createJetStream({ name: "order-events", url, secrets: [] }, await loadNatsClient());

const addStream = (settings: { max_msg_size?: number; max_msgs?: number } = {}) =>
  withStreams(server.host, (streams) =>
    streams.streams.add({ name: stream, subjects: ["varve.>", "shop.>"], ...settings }),
  );

/** What the stream holds, oldest first. */
const stored = () =>
  withStreams(server.host, async ({ streams }) => {
    const { state } = await streams.info(stream);
    const sequences = Array.from({ length: state.messages }, (_, index) => index + 1);
    const messages = sequences.map((seq) => streams.getMessage(stream, { seq }));
    return (await Promise.all(messages)).flatMap((message) => message ?? []);
  });

async function failure(event = eventOf(), of = target) {
  const error: unknown = await of.send(event, never).catch((thrown: unknown) => thrown);
  const { code, context, cause } = error as VarveError;
  return { code, context, cause };
}

const failing = (code: ErrorCode) => (context: ErrorContext) => ({
  code,
  context: { target: "order-events", ...context },
  cause: undefined,
});
const unavailable = failing("dependency-unavailable");
const refused = failing("delivery-refused");

describe.skipIf(natsServer === null)("NATS JetStream", () => {
  beforeAll(async () => {
    server = await createNatsServer();
    await server.start();
  });
  beforeEach(async () => {
    target = await open(`nats://${server.host}`);
  });
  afterEach(async () => {
    await target.close();
    await withStreams(server.host, ({ streams }) => streams.delete(stream).catch(() => false));
  });
  afterAll(() => server.remove());

  test("holds the whole event under the subject of its type when it was sent", async () => {
    await addStream();
    await target.send(eventOf(), never);
    const messages = await stored();
    const told = messages.map((message) => ({
      subject: message.subject,
      headers: Object.fromEntries(message.header),
      event: message.json(),
    }));
    expect(told).toEqual([
      {
        subject: "varve.Order.OrderCreated",
        headers: {
          "content-type": ["application/cloudevents+json"],
          "Nats-Msg-Id": [created.eventId],
        },
        event: eventOf(),
      },
    ]);
  });

  test("holds an event once when it is sent again", async () => {
    await addStream();
    for (let times = 0; times < 3; times += 1) await target.send(eventOf(), never);
    await target.send(eventOf({ eventId: "another" }), never);
    expect((await stored()).map(({ header }) => header.get("Nats-Msg-Id"))).toEqual([
      created.eventId,
      "another",
    ]);
  });

  test("has the subject that the address asks for, each level of it safe", async () => {
    await addStream();
    const prefixed = await open(`nats://${server.host}/shop.eu`);
    await prefixed.send(eventOf(), never);
    await prefixed.send(eventOf({ eventId: "odd", aggregateType: "A >", type: "Ö*" }), never);
    await prefixed.close();
    expect((await stored()).map(({ subject }) => subject)).toEqual([
      "shop.eu.Order.OrderCreated",
      "shop.eu.A__.__",
    ]);
  });

  test("is unavailable when it has no stream for the subject", async () => {
    expect(await failure()).toEqual(unavailable({ reason: "NoResponders" }));
  });

  test("is unavailable when the stream is full", async () => {
    await addStream({ max_msgs: 1 });
    await withStreams(server.host, ({ streams }) => streams.update(stream, { discard: "new" }));
    await target.send(eventOf(), never);
    const next = eventOf({ eventId: "next" });
    expect(await failure(next)).toEqual(
      unavailable({ reason: "JetStreamApiError", natsCode: 10_077 }),
    );
  });

  test("refuses an event when it is too large for the stream or for the server", async () => {
    await addStream({ max_msg_size: 10_000 });
    const sized = (size: number) => eventOf({ payload: { text: "x".repeat(size) } });
    expect(await failure(sized(20_000))).toEqual(
      refused({ reason: "JetStreamApiError", natsCode: 10_054 }),
    );
    expect(await failure(sized(2_000_000))).toEqual(refused({ reason: "InvalidArgumentError" }));
    await target.send(eventOf(), never);
    expect(await stored()).toHaveLength(1);
  });
});

describe.skipIf(natsServer === null)("NATS JetStream with credentials", () => {
  test("lets in a user with a password, or a token, of the address, and nobody else", async () => {
    const cases = [
      ['user: "a b", password: "p@:/s"', "a%20b:p%40%3A%2Fs", "a%20b:canary"],
      ['token: "t@k"', "t%40k", "canary"],
    ] as const;
    for (const [settings, right, wrong] of cases) {
      const guarded = await createNatsServer(`authorization { ${settings} }`);
      await guarded.start();
      const answers = [];
      for (const credentials of [right, wrong, ""]) {
        const at = credentials === "" ? "" : `${credentials}@`;
        const one = await open(`nats://${at}${guarded.host}`);
        answers.push((await failure(eventOf(), one)).context["reason"]);
        await one.close();
      }
      await guarded.remove();
      expect(answers).toEqual(["NoResponders", "AuthorizationError", "AuthorizationError"]);
    }
  });

  test("is not spoken to in clear text when the address asks for TLS", async () => {
    const plain = await createNatsServer();
    await plain.start();
    const one = await open(`tls://user:secret@${plain.host}`);
    expect(await failure(eventOf(), one)).toEqual(unavailable({ reason: "ConnectionError" }));
    await one.close();
    await plain.remove();
  });
});
