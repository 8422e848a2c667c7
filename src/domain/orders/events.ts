import { z } from "zod";

import { identifier } from "#kernel/ids.ts";
import { sealedText } from "#kernel/personal.ts";

import type { EventsOf } from "#domain/decider.ts";
import { line, money, sealedAddress, storedInstant, text } from "./values.ts";

/**
 * The facts of an order's life as they are stored, for ever. A payload never changes its meaning:
 * a new one gets a new version and the old one stays readable.
 */
export const events = {
  OrderCreated: {
    version: 1,
    payload: z.strictObject({
      customerId: identifier,
      contact: sealedText,
      shippingAddress: sealedAddress,
      lines: z.array(line).min(1),
      total: money,
      placedAt: storedInstant,
    }),
  },
  OrderShipped: {
    version: 1,
    payload: z.strictObject({ carrier: text(100), trackingNumber: text(100) }),
  },
  OrderDelivered: { version: 1, payload: z.strictObject({ deliveredAt: storedInstant }) },
  // Beside the reason it repeats what views need to take the order back, each from this event alone.
  OrderCancelled: {
    version: 1,
    payload: z.strictObject({
      reason: text(500),
      customerId: identifier,
      total: money,
      placedAt: storedInstant,
    }),
  },
  OrderContactChanged: { version: 1, payload: z.strictObject({ contact: sealedText }) },
};

export type OrderEvent = EventsOf<typeof events>;

/** The event of that type, or the union of several. */
export type OrderEventOf<Type extends OrderEvent["type"]> = Extract<OrderEvent, { type: Type }>;
