import type { RecordedEvent } from "#domain/decider.ts";
import type { OrderCommand } from "#domain/orders/commands.ts";
import type { OrderEvent, OrderEventOf } from "#domain/orders/events.ts";
import type { OrderStatus } from "#domain/orders/values.ts";
import { sealedText } from "#kernel/personal.ts";

/** The time at which every command of these tests is accepted. */
export const at = "2025-03-02T00:30:00.123456Z";

/** The time that the log gives to every event of these tests but those that say otherwise. */
export const createdAt = "2025-03-02T00:30:00.200000Z";

export const sealedContact = sealedText.parse("es1.contact");
export const otherContact = sealedText.parse("es1.other-contact");
export const sealedAddress = { sealed: sealedText.parse("es1.address"), country: "GB" };

const lines = [
  { sku: "85123A", quantity: 6, unitPrice: 255 },
  { sku: "71053", quantity: 2, unitPrice: 339 },
];
const total = { amount: 2_208, currency: "GBP" };
const customerId = "c-17850";
const placedAt = "2025-03-01T23:59:00.000000Z";

/** A body of `create` as a caller sends it. */
export const createBody = {
  customerId,
  contact: { name: "Ada Lovelace", email: "ada@example.org", phone: "+44 20 7946 0000" },
  shippingAddress: { line1: "1 St James's Square", city: "London", postcode: "SW1", country: "GB" },
  currency: "GBP",
  lines,
  placedAt: "2025-03-02T01:59:00+02:00",
};

const command = { aggregateId: "536365", at };
const change = { contact: otherContact };
const ship = { carrier: "Royal Mail", trackingNumber: "RM536365" };

/** One command of each type, personal fields sealed. */
export const ask = {
  create: {
    ...command,
    type: "create",
    body: { ...createBody, contact: sealedContact, shippingAddress: sealedAddress },
  },
  ship: { ...command, type: "ship", body: ship },
  deliver: { ...command, type: "deliver", body: {} },
  cancel: { ...command, type: "cancel", body: { reason: "credit note C1" } },
  "change-contact": { ...command, type: "change-contact", body: change },
} satisfies Readonly<Record<OrderCommand["type"], OrderCommand>>;

/** The event that each command of `ask` becomes where it is accepted. */
export const fact = {
  created: {
    type: "OrderCreated",
    payload: {
      customerId,
      contact: sealedContact,
      shippingAddress: sealedAddress,
      lines,
      total,
      placedAt,
    },
  },
  shipped: { type: "OrderShipped", payload: ship },
  delivered: { type: "OrderDelivered", payload: { deliveredAt: at } },
  cancelled: {
    type: "OrderCancelled",
    payload: { reason: "credit note C1", customerId, total, placedAt },
  },
  contactChanged: { type: "OrderContactChanged", payload: change },
} satisfies Readonly<Record<string, OrderEvent>>;

/** The facts that bring an order to a status; `none` is an order that was never created. */
export const lifeUntil = {
  none: [],
  created: [fact.created],
  shipped: [fact.created, fact.shipped],
  delivered: [fact.created, fact.shipped, fact.delivered],
  cancelled: [fact.created, fact.shipped, fact.cancelled],
} satisfies Readonly<Record<OrderStatus | "none", readonly OrderEvent[]>>;

/** An event of order 536365 as it stands in the log, at that version of its stream. */
export const recorded = <Event extends OrderEvent>(
  event: Event,
  version: number,
  time: string = createdAt,
): RecordedEvent<Event> => ({
  ...event,
  eventId: `0195549e-0000-7000-8000-00000000000${version}`,
  aggregateType: "Order",
  aggregateId: "536365",
  version,
  position: 100 + version,
  createdAt: time,
});

/** `OrderCreated` with some of its payload replaced. */
export const createdWith = (
  payload: Partial<OrderEventOf<"OrderCreated">["payload"]>,
): OrderEventOf<"OrderCreated"> => ({
  type: "OrderCreated",
  payload: { ...fact.created.payload, ...payload },
});

/** `OrderCancelled` with some of its payload replaced. */
export const cancelledWith = (
  payload: Partial<OrderEventOf<"OrderCancelled">["payload"]>,
): OrderEventOf<"OrderCancelled"> => ({
  type: "OrderCancelled",
  payload: { ...fact.cancelled.payload, ...payload },
});
