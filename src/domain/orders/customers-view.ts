import { defineView, type RecordedEvent } from "#domain/decider.ts";

import type { OrderEventOf } from "./events.ts";

/**
 * What a customer has ordered. `orders` counts every order, `cancelledOrders` those of them that
 * were cancelled. `spent` holds minor units by currency without cancelled orders; a currency stays
 * at 0 once all of its orders are cancelled. `lastOrderAt` is the latest `placedAt`, even of an
 * order that was cancelled.
 */
export type CustomerDocument = {
  readonly customerId: string;
  readonly orders: number;
  readonly cancelledOrders: number;
  readonly spent: Readonly<Record<string, number>>;
  readonly lastOrderAt: string;
};

type Booking = OrderEventOf<"OrderCreated" | "OrderCancelled">;

/**
 * A cancellation carries all that it takes back, so that it counts even where its order is unknown,
 * and the sums come out the same in whatever order the events are folded.
 */
function project(
  document: CustomerDocument | null,
  { type, payload }: RecordedEvent<Booking>,
): CustomerDocument {
  const { customerId, placedAt } = payload;
  const { amount, currency } = payload.total;
  const before = document ?? {
    customerId,
    orders: 0,
    cancelledOrders: 0,
    spent: {},
    lastOrderAt: placedAt,
  };
  const isNew = type === "OrderCreated";
  const spent = (before.spent[currency] ?? 0) + (isNew ? amount : -amount);
  return {
    customerId,
    orders: before.orders + (isNew ? 1 : 0),
    cancelledOrders: before.cancelledOrders + (isNew ? 0 : 1),
    spent: { ...before.spent, [currency]: spent },
    lastOrderAt: placedAt > before.lastOrderAt ? placedAt : before.lastOrderAt,
  };
}

/** Customers by id; there is no list of them. */
export const customersView = defineView<CustomerDocument, Booking>({
  name: "customers",
  version: 1,
  events: ["OrderCreated", "OrderCancelled"],
  key: (event) => event.payload.customerId,
  project,
  byKey: true,
});
