import { z } from "zod";

import { defineView, type RecordedEvent } from "#domain/decider.ts";

import type { OrderEventOf } from "./events.ts";
import { currency } from "./values.ts";

/**
 * One day's sales in one currency, in minor units. `orders` and `revenue` are gross: they include
 * the orders that were cancelled later, which `cancelledOrders` and `cancelledRevenue` count again.
 */
export type SalesDocument = {
  readonly day: string;
  readonly currency: string;
  readonly orders: number;
  readonly revenue: number;
  readonly cancelledOrders: number;
  readonly cancelledRevenue: number;
};

type Booking = OrderEventOf<"OrderCreated" | "OrderCancelled">;

/** The UTC day on which the order was placed: a cancellation is booked there too. */
const dayOf = (event: Booking): string => event.payload.placedAt.slice(0, 10);

/**
 * As in the view of customers, a cancellation counts by itself, and the sums do not depend on the
 * order of the events.
 */
function project(document: SalesDocument | null, event: RecordedEvent<Booking>): SalesDocument {
  const { amount, currency } = event.payload.total;
  const before = document ?? {
    day: dayOf(event),
    currency,
    orders: 0,
    revenue: 0,
    cancelledOrders: 0,
    cancelledRevenue: 0,
  };
  switch (event.type) {
    case "OrderCreated":
      return { ...before, orders: before.orders + 1, revenue: before.revenue + amount };
    case "OrderCancelled":
      return {
        ...before,
        cancelledOrders: before.cancelledOrders + 1,
        cancelledRevenue: before.cancelledRevenue + amount,
      };
  }
}

// Days, not rows: more than ten years of one currency in one answer, each row about 130 bytes.
const daysMax = 4_000;

const day = z.iso.date("must be a day, as in 2026-11-23");

/** Sales by day and currency, ascending by day, then currency. */
export const salesView = defineView<SalesDocument, Booking>({
  name: "sales",
  version: 1,
  events: ["OrderCreated", "OrderCancelled"],
  key: (event) => `${dayOf(event)}|${event.payload.total.currency}`,
  project,
  byKey: false,
  list: {
    order: "key",
    filters: {
      from: { schema: day, field: "day", compare: "gte" },
      to: { schema: day, field: "day", compare: "lte" },
      currency: { schema: currency, field: "currency", compare: "eq" },
    },
    limitDefault: daysMax,
    limitMax: daysMax,
  },
});
