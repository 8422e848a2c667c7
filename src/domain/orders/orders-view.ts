import { defineView, type RecordedEvent } from "#domain/decider.ts";
import { identifier } from "#kernel/ids.ts";

import type { OrderEvent, OrderEventOf } from "./events.ts";
import { contact, orderStatus, type OrderStatus, shippingAddress } from "./values.ts";

type Created = OrderEventOf<"OrderCreated">["payload"];
type Shipped = OrderEventOf<"OrderShipped">["payload"];

/**
 * One order as callers read it. `createdAt` and `updatedAt` are the log's times of its first and
 * last event; `version` is that of its last event. `carrier` and
 * `trackingNumber` are there once it was shipped. Personal fields stay sealed.
 */
export type OrderDocument = Omit<Created, "placedAt"> &
  Partial<Shipped> & {
    readonly orderId: string;
    readonly status: OrderStatus;
    readonly createdAt: string;
    readonly updatedAt: string;
    readonly version: number;
  };

type Change = Exclude<OrderEvent, { type: "OrderCreated" }>;

function changed(event: Change): Partial<OrderDocument> {
  switch (event.type) {
    case "OrderShipped":
      return { ...event.payload, status: "shipped" };
    case "OrderDelivered":
      return { status: "delivered" };
    case "OrderCancelled":
      return { status: "cancelled" };
    case "OrderContactChanged":
      return { contact: event.payload.contact };
  }
}

function project(
  document: OrderDocument | null,
  event: RecordedEvent<OrderEvent>,
): OrderDocument | null {
  const { aggregateId: orderId, createdAt, version } = event;
  if (event.type === "OrderCreated") {
    const { customerId, contact, shippingAddress, lines, total } = event.payload;
    const facts = { customerId, contact, shippingAddress, lines, total };
    return { orderId, status: "created", ...facts, createdAt, updatedAt: createdAt, version };
  }
  // A change of an order that was never created says too little to make a document of it.
  if (document === null) return null;
  return { ...document, ...changed(event), updatedAt: createdAt, version };
}

const stream = { aggregateType: "Order", idField: "orderId" } as const;

/** Orders by id, and the list of them, newest first. */
export const ordersView = defineView<OrderDocument, OrderEvent>({
  name: "orders",
  version: 1,
  events: [
    "OrderCreated",
    "OrderShipped",
    "OrderDelivered",
    "OrderCancelled",
    "OrderContactChanged",
  ],
  key: (event) => event.aggregateId,
  project,
  personal: {
    contact: { schema: contact, stream },
    shippingAddress: { schema: shippingAddress, stream },
  },
  byKey: true,
  list: {
    order: "newest",
    filters: {
      status: { schema: orderStatus, field: "status", compare: "eq" },
      customerId: { schema: identifier, field: "customerId", compare: "eq" },
    },
    limitDefault: 50,
    limitMax: 200,
  },
});
