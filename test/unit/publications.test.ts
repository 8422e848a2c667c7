import { describe, expect, test } from "bun:test";

import { z } from "zod";

import { defineAggregate, definePublication } from "#domain/decider.ts";
import { commands } from "#domain/orders/commands.ts";
import { events, type OrderEvent } from "#domain/orders/events.ts";
import { orderDecider, orders } from "#domain/orders/order.ts";
import { publicationsOf } from "#domain/publications.ts";
import { createApp } from "#http/app.ts";
import type { AppDependencies } from "#http/dependencies.ts";
import { personal } from "#kernel/personal.ts";

const publication = { name: "order-events", events: ["OrderCreated"] };

/** Orders that publish so, checked again. */
const publishing = (...publications: readonly (typeof publication & { opens?: string[] })[]) =>
  defineAggregate({
    ...orders,
    decider: orders.decider,
    publications,
  });

describe("publications", () => {
  test("of orders are all five events under one name, and open nothing", () => {
    expect(publicationsOf([orders])).toEqual([
      {
        name: "order-events",
        events: [
          "OrderCreated",
          "OrderShipped",
          "OrderDelivered",
          "OrderCancelled",
          "OrderContactChanged",
        ],
        opened: new Map(),
      },
    ]);
    expect(Object.keys(orders.events)).toEqual([...(publicationsOf([orders])[0]?.events ?? [])]);
  });

  test("know how a field was sealed when they open it", () => {
    const opens = ["contact", "shippingAddress"];
    const [declared] = publicationsOf([publishing({ ...publication, opens })]);
    expect([...(declared?.opened ?? [])].map(([field, { label }]) => [field, label])).toEqual([
      ["contact", "order.contact"],
      ["shippingAddress", "order.shippingAddress"],
    ]);
  });

  test("are a defect when they want an event that is not declared, or none", () => {
    expect(() => publishing({ ...publication, events: ["LoanStarted"] })).toThrow(
      "nothing declares LoanStarted, which order-events publishes",
    );
    expect(() => publishing({ ...publication, events: [] })).toThrow(
      "order-events publishes no event",
    );
  });

  test("are a defect when they open what no command marks personal", () => {
    for (const field of ["customerId", "lines", "email"]) {
      expect(() => publishing({ ...publication, opens: [field] })).toThrow(
        `order-events opens ${field}, which no command marks personal`,
      );
    }
  });

  test("are a defect when they open a field that two commands seal differently", () => {
    const mark = { subject: "customerId", label: "order.other" };
    const other = personal(z.strictObject({ name: z.string() }), mark);
    const body = z.strictObject({ contact: other });
    const mixed = { ...orders, commands: { ...orders.commands, "change-contact": { body } } };
    expect(() =>
      defineAggregate({ ...mixed, publications: [{ ...publication, opens: ["contact"] }] }),
    ).toThrow("order-events opens contact, which stands for two personal fields");
  });

  test("stop the start when the name is a view's, another's, or no segment of a path", () => {
    const start = (...names: readonly string[]) =>
      createApp({
        aggregates: [publishing(...names.map((name) => ({ ...publication, name })))],
      } as unknown as AppDependencies);
    expect(() => start("sales")).toThrow("sales stands for two things");
    expect(() => start("a", "a")).toThrow("a stands for two things");
    expect(() => start("Order Events")).toThrow("Order Events cannot be a segment of a path");
  });
});

// What must not compile. `bun check` fails on each expectation below that meets no error.
describe("a publication", () => {
  test("does not compile when it names an event or a field that there is not", () => {
    const one = definePublication<OrderEvent>({
      name: "order-events",
      // @ts-expect-error There is no such event.
      events: ["OrderPlaced"],
      // @ts-expect-error No payload has such a field.
      opens: ["email"],
    });
    expect(one.name).toBe("order-events");
  });
});

test("an aggregate of typed parts takes publications", () => {
  const { rejections, views } = orders;
  const typed = { name: "orders", type: "Order", decider: orderDecider, commands, events, views };
  const publications = [definePublication<OrderEvent>({ name: "a", events: ["OrderShipped"] })];
  const declared = defineAggregate({ ...typed, rejections: rejections as never, publications });
  expect(publicationsOf([declared]).map(({ name }) => name)).toEqual(["a"]);
});
