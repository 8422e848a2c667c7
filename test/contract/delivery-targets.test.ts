import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";

import { commands } from "#domain/orders/commands.ts";
import { orders } from "#domain/orders/order.ts";
import { type DeclaredPublication, publicationsOf } from "#domain/publications.ts";
import { type Defect, VarveError } from "#kernel/errors.ts";
import { personalFields } from "#kernel/personal.ts";
import { sealFields } from "#pii/fields.ts";
import type { Keyring } from "#pii/keyring.ts";
import type { PublishedEvent } from "#subscription/delivery/cloud-event.ts";
import { openPublished } from "#subscription/delivery/open-fields.ts";
import { assertTargets, openTargets, type Targets } from "#subscription/delivery/targets.ts";
import { openTestKeyring } from "#test/support/keyrings.ts";
import { type Receiver, startReceiver } from "#test/support/receiver.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";
import { created, never, secretOf } from "#test/unit/delivery/samples.ts";
import { createBody, fact, recorded } from "#test/unit/orders/samples.ts";

const { contact, shippingAddress } = createBody;
const sealed = expect.stringMatching(/^es1\./) as string;

/** `order-events` as if it opened those fields. */
const opening = (...opens: readonly string[]): readonly DeclaredPublication[] =>
  publicationsOf([
    { ...orders, publications: (orders.publications ?? []).map((one) => ({ ...one, opens })) },
  ]);

let store: TestStore;
let receiver: Receiver;
let targets: Targets | undefined;

beforeAll(async () => {
  store = await openStore();
});
afterEach(async () => {
  await targets?.close();
  await receiver.stop();
});
afterAll(() => closeStore(store));

/** The creation of an order of that customer, sealed as a command seals it. */
async function creationOf(customerId: string, aggregateId: string): Promise<PublishedEvent> {
  const { body } = await sealFields({
    keyring: await openTestKeyring(store.pool),
    body: { customerId, contact, shippingAddress },
    fields: personalFields(commands.create.body),
    subjectOf: () => customerId,
    stream: `Order-${aggregateId}`,
  });
  return { ...created, aggregateId, payload: body };
}

/** Destroys the customer's key, as an erasure does. */
async function shred(customerId: string): Promise<void> {
  const hash = await (await openTestKeyring(store.pool)).subjectHash(customerId);
  await store.sql`update varve.subject_keys set status = 'shredded', wrapped = null
    where subject_hash = decode(${hash.toHex()}, 'hex')`;
}

async function open(publications: readonly DeclaredPublication[], keyring?: Keyring) {
  receiver = startReceiver();
  targets = await openTargets({
    targets: [{ name: "order-events", url: receiver.url, secrets: [secretOf(7)] }],
    source: "urn:varve:shop",
    publications,
    clock: Date.now,
    ...(keyring === undefined ? {} : { keyring }),
  });
  return targets;
}

const sentData = () => (JSON.parse(receiver.only().body) as { readonly data: unknown }).data;

describe("a publication", () => {
  test("tells its target what is sealed as it is sealed when it opens nothing", async () => {
    const event = await creationOf("c-1", "o-1");
    const { names, publish } = await open(opening());
    expect(names).toEqual(["order-events"]);
    await publish("order-events", event, never);
    expect(sentData()).toEqual({
      customerId: "c-1",
      contact: sealed,
      shippingAddress: { sealed, country: "GB" },
    });
  });

  test("opens the fields that it names, and no other", async () => {
    const event = await creationOf("c-2", "o-2");
    const { publish } = await open(opening("shippingAddress"), await openTestKeyring(store.pool));
    await publish("order-events", event, never);
    expect(sentData()).toEqual({ customerId: "c-2", contact: sealed, shippingAddress });
  });

  test("says that a person was erased where it would have opened a field", async () => {
    const event = await creationOf("c-3", "o-3");
    await shred("c-3");
    const { publish } = await open(opening("contact"), await openTestKeyring(store.pool));
    await publish("order-events", event, never);
    expect(sentData()).toEqual({
      customerId: "c-3",
      contact: { erased: true },
      shippingAddress: { sealed, country: "GB" },
    });
  });

  test("opens a page of events in their order, those without the field as they are", async () => {
    const page = [
      await creationOf("c-4", "o-4"),
      recorded(fact.shipped, 2),
      { ...(await creationOf("c-5", "o-5")), payload: null },
      await creationOf("c-5", "o-5"),
    ];
    const [publication] = opening("contact");
    const keyring = await openTestKeyring(store.pool);
    const opened = await openPublished(keyring, publication ?? { opened: new Map() }, page);
    const address = { sealed, country: "GB" };
    expect(opened).toEqual([
      { ...page[0], payload: { customerId: "c-4", contact, shippingAddress: address } },
      page[1],
      page[2],
      { ...page[3], payload: { customerId: "c-5", contact, shippingAddress: address } },
    ] as PublishedEvent[]);
  });

  test("sends nothing when a value does not open, and says which failure it is", async () => {
    const moved = { ...(await creationOf("c-6", "o-6")), aggregateId: "o-7" };
    const { publish } = await open(opening("contact"), await openTestKeyring(store.pool));
    const failure = await publish("order-events", moved, never).catch((error: unknown) => error);
    expect(failure instanceof VarveError && failure.code).toBe("sealed-value-tampered");
    expect(receiver.received).toEqual([]);
  });
});

describe("the targets", () => {
  const thrown = (work: Promise<unknown>) =>
    work.then(
      () => "nothing",
      (error: VarveError | Defect) => ("code" in error ? error.code : error.message),
    );

  test("are refused when one has no publication, or opens fields without keys", async () => {
    expect(await thrown(open([]))).toBe("configuration-invalid");
    await receiver.stop();
    expect(await thrown(open(opening("contact")))).toBe(
      "order-events opens fields and was given no keyring",
    );
  });

  test("are asked for nothing that is not theirs", async () => {
    const { publish } = await open(opening());
    expect([
      await thrown(publish("other-events", created, never)),
      await thrown(publish("order-events", { ...created, type: "LoanStarted" }, never)),
    ]).toEqual([
      "there is no target for other-events",
      "LoanStarted is not published by order-events",
    ]);
    expect(receiver.received).toEqual([]);
  });

  test("can all be opened by this program when their schemes say so", async () => {
    receiver = startReceiver();
    const of = (url: string) => ({ name: "order-events", url, secrets: [] });
    expect(await assertTargets([of("nats://nowhere"), of("https://nowhere")])).toBeUndefined();
  });
});
