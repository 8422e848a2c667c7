import { describe, expect, test } from "bun:test";

import { defineAggregate, defineView } from "#domain/decider.ts";
import { commands, type OrderCommand } from "#domain/orders/commands.ts";
import { events, type OrderEvent } from "#domain/orders/events.ts";
import { orderDecider, orders } from "#domain/orders/order.ts";
import type { SalesDocument } from "#domain/orders/sales-view.ts";
import { aggregates } from "#domain/registry.ts";
import { personalFields } from "#kernel/personal.ts";

import { fact } from "./samples.ts";

const rejections = {
  "order-not-found": "not-found",
  "order-already-exists": "conflict",
  "order-not-shippable": "conflict",
  "order-not-deliverable": "conflict",
  "order-not-cancellable": "conflict",
  "order-closed": "conflict",
} as const;

describe("orders", () => {
  test("the registry knows orders by route and by aggregate type", () => {
    expect(aggregates.map(({ name, type }) => [name, type])).toContainEqual(["orders", "Order"]);
  });

  test("create alone may have a body above the limit", () => {
    const sizes = Object.entries(orders.commands).map(([type, { bodyBytesMax }]) => [
      type,
      bodyBytesMax,
    ]);
    expect(sizes).toEqual([
      ["create", 524_288],
      ["ship", undefined],
      ["deliver", undefined],
      ["cancel", undefined],
      ["change-contact", undefined],
    ]);
  });

  test("contact and shipping address are the customer's, and only the country stays clear", () => {
    const subject = "customerId";
    const contact = { subject, label: "order.contact", clear: [], index: { email: "email.v1" } };
    const label = "order.shippingAddress";
    const shippingAddress = { subject, label, clear: ["country"], index: {} };
    const marks = Object.entries(orders.commands).map(([type, { body }]) => [
      type,
      Object.fromEntries(personalFields(body)),
    ]);
    expect(Object.fromEntries(marks)).toEqual({
      create: { contact, shippingAddress },
      ship: {},
      deliver: {},
      cancel: {},
      "change-contact": { contact },
    });
  });

  test("a change of contact finds its subject in the state, because its body names none", () => {
    expect(orderDecider.evolve({ status: "none" }, fact.created)).toHaveProperty(
      "customerId",
      "c-17850",
    );
  });

  test("only an order that is not there is not-found", () => {
    expect(orders.rejections).toEqual(rejections);
  });

  test("every event is of version 1 and its payload passes its own schema", () => {
    const stored = Object.values(fact).map(({ type, payload }) => {
      const definition = events[type];
      return [
        type,
        definition.version,
        definition.payload.parse(JSON.parse(JSON.stringify(payload))),
      ];
    });
    expect(stored).toEqual(Object.values(fact).map(({ type, payload }) => [type, 1, payload]));
    expect(Object.keys(orders.events)).toEqual(Object.values(fact).map(({ type }) => type));
  });

  test("an event is refused when its personal fields are not sealed", () => {
    const { payload } = fact.created;
    const plain = [
      { ...payload, contact: "ada@example.org" },
      { ...payload, contact: { email: "ada@example.org" } },
      { ...payload, shippingAddress: { country: "GB", city: "London" } },
    ];
    const taken = plain.map((each) => events.OrderCreated.payload.safeParse(each).success);
    expect(taken).toEqual([false, false, false]);
  });

  test("a snapshot is refused when a personal field of it is not sealed, or it holds anything more", () => {
    const { payload } = fact.created;
    const state = { ...payload, status: "created" };
    const taken = [
      state,
      { status: "none" },
      { ...state, contact: "ada@example.org" },
      { ...state, contact: { email: "ada@example.org" } },
      { ...state, shippingAddress: { ...payload.shippingAddress, city: "London" } },
      { ...state, email: "ada@example.org" },
      { ...state, carrier: undefined },
      { status: "created" },
      null,
    ].map((each) => orders.snapshot?.state.safeParse(each).success);
    expect(taken).toEqual([true, true, ...Array<boolean>(7).fill(false)]);
  });

  test("the views say how they are read", () => {
    const reads = orders.views.map(({ name, version, byKey, list, personal }) => ({
      name,
      version,
      byKey,
      personal: Object.keys(personal ?? {}),
      list: list && [list.order, Object.keys(list.filters), list.limitDefault, list.limitMax],
    }));
    expect(reads).toEqual([
      {
        name: "orders",
        version: 1,
        byKey: true,
        personal: ["contact", "shippingAddress"],
        list: ["newest", ["status", "customerId"], 50, 200],
      },
      { name: "customers", version: 1, byKey: true, personal: [], list: undefined },
      {
        name: "sales",
        version: 1,
        byKey: false,
        personal: [],
        list: ["key", ["from", "to", "currency"], 4_000, 4_000],
      },
    ]);
  });

  test("filters take only values that a document could have", () => {
    const filters = new Map(
      orders.views.flatMap(({ list }) => Object.entries(list?.filters ?? {})),
    );
    const takes = (filter: string, ...values: readonly string[]) =>
      values.map((value) => filters.get(filter)?.schema.safeParse(value).success);
    expect({
      status: takes("status", "shipped", "none", ""),
      customerId: takes("customerId", "c-1", "a b", ""),
      from: takes("from", "2025-02-28", "2025-02-30", "2025-02-28T00:00:00Z", "2025-2-8"),
      to: takes("to", "2024-02-29", "2025-02-29", ""),
      currency: takes("currency", "GBP", "gbp", ""),
    }).toEqual({
      status: [true, false, false],
      customerId: [true, false, false],
      from: [true, false, false, false],
      to: [true, false, false],
      currency: [true, false, false],
    });
  });
});

// What must not compile. `bun check` fails on each expectation below that meets no error.
describe("a declaration", () => {
  const base = { name: "orders", type: "Order", decider: orderDecider, views: [] };
  type Create = Extract<OrderCommand, { type: "create" }>["body"];

  test("does not compile when it leaves out a command, an event or a rejection", () => {
    const { ship: _, ...fewerCommands } = commands;
    const { OrderShipped: __, ...fewerEvents } = events;
    expect(defineAggregate({ ...base, commands, events, rejections })).toBeObject();
    // @ts-expect-error The command ship is missing.
    expect(defineAggregate({ ...base, commands: fewerCommands, events, rejections })).toBeObject();
    // @ts-expect-error The event OrderShipped is missing.
    expect(defineAggregate({ ...base, commands, events: fewerEvents, rejections })).toBeObject();
    // @ts-expect-error Every rejection is missing.
    expect(defineAggregate({ ...base, commands, events, rejections: {} })).toBeObject();
  });

  test("does not compile when a filter names a field that the document lacks", () => {
    const schema = commands.create.body;
    const view = {
      name: "sales",
      version: 1,
      events: ["OrderCreated"],
      key: () => null,
      project: () => null,
      byKey: false,
    } as const;
    const list = { order: "key", limitDefault: 1, limitMax: 1 } as const;
    const filters = { day: { schema, field: "weekday", compare: "eq" } } as const;
    // @ts-expect-error There is no field weekday.
    const defined = defineView<SalesDocument, OrderEvent>({ ...view, list: { ...list, filters } });
    expect(defined.name).toBe("sales");
  });

  test("does not compile when a decision would look into a sealed value", () => {
    const body = { contact: "es1.contact", shippingAddress: { sealed: "es1.a", country: "GB" } };
    const sealed = body as unknown as Create;
    // @ts-expect-error The contact is sealed.
    expect(sealed.contact.email).toBeUndefined();
    // @ts-expect-error The city is sealed; the country is not.
    expect(sealed.shippingAddress.city).toBeUndefined();
    expect(sealed.shippingAddress.country).toBe("GB");
  });
});
