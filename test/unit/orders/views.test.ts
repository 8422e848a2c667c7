import { describe, expect, test } from "bun:test";

import type { View } from "#domain/decider.ts";
import { customersView } from "#domain/orders/customers-view.ts";
import type { OrderEvent } from "#domain/orders/events.ts";
import { ordersView } from "#domain/orders/orders-view.ts";
import { salesView } from "#domain/orders/sales-view.ts";

import {
  cancelledWith,
  createdAt,
  createdWith,
  fact,
  lifeUntil,
  otherContact,
  recorded,
} from "./samples.ts";

/** The documents of a view by key after the events, which are numbered as one stream. */
function documentsOf(view: View, events: readonly OrderEvent[]): Record<string, unknown> {
  const documents: Record<string, unknown> = {};
  events.forEach((event, index) => {
    const stored = recorded(event, index + 1, `2025-03-0${index + 1}T00:00:00.000000Z`);
    const key = view.events.includes(event.type) ? view.key(stored) : null;
    if (key !== null) documents[key] = view.project(documents[key] ?? null, stored);
  });
  return documents;
}

describe("orders", () => {
  const { placedAt: _, ...facts } = fact.created.payload;
  const created = {
    orderId: "536365",
    status: "created",
    ...facts,
    createdAt: "2025-03-01T00:00:00.000000Z",
    updatedAt: "2025-03-01T00:00:00.000000Z",
    version: 1,
  };
  const shipped = {
    ...created,
    status: "shipped",
    carrier: "Royal Mail",
    trackingNumber: "RM536365",
    updatedAt: "2025-03-02T00:00:00.000000Z",
    version: 2,
  };

  test("an order has no carrier and no tracking number when it is created", () => {
    expect(documentsOf(ordersView, lifeUntil.created)).toEqual({ "536365": created });
  });

  test("an order has status, times and version of its last event when it goes its whole way", () => {
    expect(documentsOf(ordersView, lifeUntil.shipped)).toEqual({ "536365": shipped });
    expect(documentsOf(ordersView, [...lifeUntil.shipped, fact.contactChanged])).toEqual({
      "536365": {
        ...shipped,
        contact: otherContact,
        updatedAt: "2025-03-03T00:00:00.000000Z",
        version: 3,
      },
    });
    expect(documentsOf(ordersView, lifeUntil.delivered)).toEqual({
      "536365": {
        ...shipped,
        status: "delivered",
        updatedAt: "2025-03-03T00:00:00.000000Z",
        version: 3,
      },
    });
  });

  test("an order keeps what it was when it is cancelled", () => {
    expect(documentsOf(ordersView, [fact.created, fact.cancelled])).toEqual({
      "536365": {
        ...created,
        status: "cancelled",
        updatedAt: "2025-03-02T00:00:00.000000Z",
        version: 2,
      },
    });
  });

  test("there is no order when its creation was never seen", () => {
    const { created: _, ...others } = fact;
    for (const event of Object.values(others)) {
      expect(ordersView.project(null, recorded(event, 1))).toBeNull();
    }
  });
});

describe("customers", () => {
  test("a customer has spent what was ordered less what was cancelled, by currency", () => {
    const dollars = { amount: 500, currency: "USD" };
    const events = [
      createdWith({ placedAt: "2025-01-05T00:00:00.000000Z" }),
      createdWith({ placedAt: "2025-02-05T00:00:00.000000Z" }),
      createdWith({ placedAt: "2024-12-31T00:00:00.000000Z", total: dollars }),
      cancelledWith({ placedAt: "2025-01-05T00:00:00.000000Z" }),
      cancelledWith({ placedAt: "2024-12-31T00:00:00.000000Z", total: dollars }),
      createdWith({ customerId: "c-2", placedAt: "2025-02-06T00:00:00.000000Z" }),
    ];
    expect(documentsOf(customersView, events)).toEqual({
      "c-17850": {
        customerId: "c-17850",
        orders: 3,
        cancelledOrders: 2,
        spent: { GBP: 2_208, USD: 0 },
        lastOrderAt: "2025-02-05T00:00:00.000000Z",
      },
      "c-2": {
        customerId: "c-2",
        orders: 1,
        cancelledOrders: 0,
        spent: { GBP: 2_208 },
        lastOrderAt: "2025-02-06T00:00:00.000000Z",
      },
    });
  });

  test("a cancellation counts by itself when its order was never seen", () => {
    expect(documentsOf(customersView, [fact.cancelled])).toEqual({
      "c-17850": {
        customerId: "c-17850",
        orders: 0,
        cancelledOrders: 1,
        spent: { GBP: -2_208 },
        lastOrderAt: fact.created.payload.placedAt,
      },
    });
  });
});

describe("sales", () => {
  const day = { day: "2025-03-01", currency: "GBP" };

  test("a cancellation is booked on the day of placing and leaves the revenue gross", () => {
    expect(createdAt.slice(0, 10)).not.toBe(day.day);
    expect(documentsOf(salesView, lifeUntil.cancelled)).toEqual({
      "2025-03-01|GBP": {
        ...day,
        orders: 1,
        revenue: 2_208,
        cancelledOrders: 1,
        cancelledRevenue: 2_208,
      },
    });
  });

  test("each day and each currency has sums of its own", () => {
    const events = [
      fact.created,
      fact.created,
      createdWith({ placedAt: "2025-03-02T00:00:00.000000Z" }),
      createdWith({ total: { amount: 1, currency: "EUR" } }),
    ];
    const none = { cancelledOrders: 0, cancelledRevenue: 0 };
    expect(documentsOf(salesView, events)).toEqual({
      "2025-03-01|GBP": { ...day, orders: 2, revenue: 4_416, ...none },
      "2025-03-02|GBP": { ...day, day: "2025-03-02", orders: 1, revenue: 2_208, ...none },
      "2025-03-01|EUR": { ...day, currency: "EUR", orders: 1, revenue: 1, ...none },
    });
  });

  test("a cancellation counts by itself when its order was never seen", () => {
    expect(documentsOf(salesView, [fact.cancelled])).toEqual({
      "2025-03-01|GBP": {
        ...day,
        orders: 0,
        revenue: 0,
        cancelledOrders: 1,
        cancelledRevenue: 2_208,
      },
    });
  });
});
