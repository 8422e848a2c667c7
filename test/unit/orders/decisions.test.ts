import { describe, expect, test } from "bun:test";

import { orderDecider } from "#domain/orders/order.ts";
import { specification } from "#test/unit/decider-specification.ts";

import { ask, at, fact, lifeUntil, otherContact, sealedAddress, sealedContact } from "./samples.ts";

const { given } = specification(orderDecider);

describe("create", () => {
  test("makes an order with its total and the UTC time of placing when there is none", () => {
    given([])
      .when(ask.create)
      .thenEvents([
        {
          type: "OrderCreated",
          payload: {
            customerId: "c-17850",
            contact: sealedContact,
            shippingAddress: sealedAddress,
            lines: [
              { sku: "85123A", quantity: 6, unitPrice: 255 },
              { sku: "71053", quantity: 2, unitPrice: 339 },
            ],
            total: { amount: 2_208, currency: "GBP" },
            placedAt: "2025-03-01T23:59:00.000000Z",
          },
        },
      ]);
  });

  test("places the order at the time of acceptance when no time is given", () => {
    const { placedAt: _, ...body } = ask.create.body;
    given([])
      .when({ ...ask.create, body })
      .thenEvents([{ ...fact.created, payload: { ...fact.created.payload, placedAt: at } }]);
  });

  test("adds up to the last unit when the total is the largest allowed", () => {
    const lines = [
      { sku: "a", quantity: 999_999, unitPrice: 1_000_001 },
      { sku: "b", quantity: 1, unitPrice: 1 },
    ];
    const total = { amount: 1_000_000_000_000, currency: "GBP" };
    given([])
      .when({ ...ask.create, body: { ...ask.create.body, lines } })
      .thenEvents([{ ...fact.created, payload: { ...fact.created.payload, lines, total } }]);
  });
});

describe("ship", () => {
  test("names carrier and tracking number when the order is created", () => {
    given([fact.created])
      .when(ask.ship)
      .thenEvents([
        {
          type: "OrderShipped",
          payload: { carrier: "Royal Mail", trackingNumber: "RM536365" },
        },
      ]);
  });
});

describe("deliver", () => {
  test("takes the time of acceptance when no time is given", () => {
    given(lifeUntil.shipped)
      .when(ask.deliver)
      .thenEvents([{ type: "OrderDelivered", payload: { deliveredAt: at } }]);
  });

  test("stores the time in UTC with microseconds when one is given", () => {
    given(lifeUntil.shipped)
      .when({ ...ask.deliver, body: { deliveredAt: "2025-03-01T09:00:00.5-05:00" } })
      .thenEvents([
        { type: "OrderDelivered", payload: { deliveredAt: "2025-03-01T14:00:00.500000Z" } },
      ]);
  });
});

describe("cancel", () => {
  const cancelled = {
    type: "OrderCancelled",
    payload: {
      reason: "credit note C1",
      customerId: "c-17850",
      total: { amount: 2_208, currency: "GBP" },
      placedAt: "2025-03-01T23:59:00.000000Z",
    },
  } as const;

  test("repeats customer, total and time of placing when the order is created", () => {
    given(lifeUntil.created).when(ask.cancel).thenEvents([cancelled]);
  });

  test("is accepted when the order is shipped", () => {
    given(lifeUntil.shipped).when(ask.cancel).thenEvents([cancelled]);
  });
});

describe("change-contact", () => {
  const changed = { type: "OrderContactChanged", payload: { contact: otherContact } } as const;

  test("replaces the contact when the order is created", () => {
    given(lifeUntil.created).when(ask["change-contact"]).thenEvents([changed]);
  });

  test("replaces the contact when the order is shipped", () => {
    given(lifeUntil.shipped).when(ask["change-contact"]).thenEvents([changed]);
  });

  test("is accepted again when the contact was changed before", () => {
    given([...lifeUntil.created, changed])
      .when(ask["change-contact"])
      .thenEvents([changed]);
  });
});

describe("rejections", () => {
  const absent = { type: "order-not-found" } as const;

  for (const type of ["ship", "deliver", "cancel", "change-contact"] as const) {
    test(`${type} is order-not-found when the order was never created`, () => {
      given([]).when(ask[type]).thenRejection(absent);
    });
  }

  const refused = [
    ["create", "order-already-exists", ["created", "shipped", "delivered", "cancelled"]],
    ["ship", "order-not-shippable", ["shipped", "delivered", "cancelled"]],
    ["deliver", "order-not-deliverable", ["created", "delivered", "cancelled"]],
    ["cancel", "order-not-cancellable", ["delivered", "cancelled"]],
    ["change-contact", "order-closed", ["delivered", "cancelled"]],
  ] as const;

  for (const [command, type, statuses] of refused) {
    for (const status of statuses) {
      test(`${command} is ${type} and says so when the order is ${status}`, () => {
        given(lifeUntil[status]).when(ask[command]).thenRejection({ type, status });
      });
    }
  }

  test("a cancelled order stays closed when it was never shipped", () => {
    const life = [fact.created, fact.cancelled];
    const status = "cancelled";
    given(life).when(ask.ship).thenRejection({ type: "order-not-shippable", status });
    given(life).when(ask.deliver).thenRejection({ type: "order-not-deliverable", status });
  });
});

test("every command is either accepted or refused in every status, as the life of an order says", () => {
  const statuses = ["none", "created", "shipped", "delivered", "cancelled"] as const;
  const commands = ["create", "ship", "deliver", "cancel", "change-contact"] as const;
  const answers = commands.map((command) =>
    statuses.map((status) => {
      const state = lifeUntil[status].reduce(orderDecider.evolve, orderDecider.initialState);
      return orderDecider.decide(ask[command], state).ok ? "yes" : "no";
    }),
  );
  expect(answers).toEqual([
    ["yes", "no", "no", "no", "no"],
    ["no", "yes", "no", "no", "no"],
    ["no", "no", "yes", "no", "no"],
    ["no", "yes", "yes", "no", "no"],
    ["no", "yes", "yes", "no", "no"],
  ]);
});
