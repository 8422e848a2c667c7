import { expect, test } from "bun:test";

import { orderDecider, type OrderState } from "#domain/orders/order.ts";
import { fold } from "#test/unit/decider-specification.ts";

import { at, createdWith, fact, lifeUntil, otherContact } from "./samples.ts";

const created: OrderState = { ...fact.created.payload, status: "created" };
const shipped = { ...created, ...fact.shipped.payload, status: "shipped" } as const;

test("an order is none when nothing has happened", () => {
  expect(fold(orderDecider, [])).toEqual({ status: "none" });
});

test("an order holds what was ordered and by whom when it is created", () => {
  expect(fold(orderDecider, lifeUntil.created)).toEqual(created);
});

test("an order knows carrier and tracking number when it is shipped", () => {
  expect(fold(orderDecider, lifeUntil.shipped)).toEqual(shipped);
});

test("an order knows when it arrived when it is delivered", () => {
  expect(fold(orderDecider, lifeUntil.delivered)).toEqual({
    ...shipped,
    deliveredAt: at,
    status: "delivered",
  });
});

test("an order keeps the reason and all it was when it is cancelled", () => {
  expect(fold(orderDecider, lifeUntil.cancelled)).toEqual({
    ...shipped,
    reason: "credit note C1",
    status: "cancelled",
  });
});

test("an order keeps its status and takes the new contact when the contact is changed", () => {
  expect(fold(orderDecider, [...lifeUntil.shipped, fact.contactChanged])).toEqual({
    ...shipped,
    contact: otherContact,
  });
});

test("an order stays none when events other than its creation come first", () => {
  const { created: _, ...others } = fact;
  expect(fold(orderDecider, Object.values(others))).toEqual({ status: "none" });
});

test("an order starts afresh when a second creation stands in its stream", () => {
  const again = createdWith({ customerId: "c-2" });
  expect(fold(orderDecider, [...lifeUntil.shipped, again])).toEqual({
    ...again.payload,
    status: "created",
  });
});
