import fc from "fast-check";

import type { RecordedEvent } from "#domain/decider.ts";
import type { OrderCommand } from "#domain/orders/commands.ts";
import type { OrderEvent } from "#domain/orders/events.ts";
import type { Line } from "#domain/orders/values.ts";
import { utcMicros } from "#kernel/clock.ts";
import { sealedText } from "#kernel/personal.ts";

// Few ids, days and currencies, so that events meet in the same documents.
const customerId = fc.constantFrom("c-1", "c-2", "c-3");
const currency = fc.constantFrom("GBP", "EUR");
const sealed = fc.base64String({ maxLength: 20 }).map((text) => sealedText.parse(`es1.${text}`));
const shippingAddress = fc.record({ sealed, country: fc.constantFrom("GB", "FR") });
const time = fc
  .date({
    min: new Date("2025-01-30T00:00Z"),
    max: new Date("2025-02-02T00:00Z"),
    noInvalidDate: true,
  })
  .map((date) => date.toISOString());
const storedTime = time.map(utcMicros);
const total = fc.record({ amount: fc.integer({ min: 1, max: 1_000_000_000_000 }), currency });
const text = fc.string({ minLength: 1, maxLength: 20 });
const shipment = fc.record({ carrier: text, trackingNumber: text });

/** 1 to 20 lines whose total is within the limit of an order. */
export const lines: fc.Arbitrary<Line[]> = fc.array(
  fc.record({
    sku: text,
    quantity: fc.integer({ min: 1, max: 100_000 }),
    unitPrice: fc.integer({ min: 1, max: 500_000 }),
  }),
  { minLength: 1, maxLength: 20 },
);

const created = fc.record({
  customerId,
  contact: sealed,
  shippingAddress,
  lines,
  total,
  placedAt: storedTime,
});
const cancelled = fc.record({ reason: text, customerId, total, placedAt: storedTime });

const event = <Type extends string, Payload>(type: Type, payload: fc.Arbitrary<Payload>) =>
  payload.map((value) => ({ type, payload: value }));

/** Any event with any payload, whether or not a decision could have made it. */
export const anyEvent: fc.Arbitrary<OrderEvent> = fc.oneof(
  event("OrderCreated", created),
  event("OrderShipped", shipment),
  event("OrderDelivered", fc.record({ deliveredAt: storedTime })),
  event("OrderCancelled", cancelled),
  event("OrderContactChanged", fc.record({ contact: sealed })),
);

/** Any events in any sequence, as they would stand in the log, over three orders. */
export const anyLog: fc.Arbitrary<readonly RecordedEvent<OrderEvent>[]> = fc
  .array(fc.tuple(anyEvent, fc.constantFrom("1", "2", "3")), { maxLength: 40 })
  .map((entries) =>
    entries.map(([each, aggregateId], index) => ({
      ...each,
      eventId: `event-${index}`,
      aggregateType: "Order",
      aggregateId,
      version: index + 1,
      position: index + 1,
      createdAt: "2025-03-01T00:00:00.000000Z",
    })),
  );

const command = <Type extends string, Body>(type: Type, body: fc.Arbitrary<Body>) =>
  fc.tuple(body, storedTime).map(([value, at]) => ({ type, aggregateId: "1", at, body: value }));

const optionally = <Fields extends object>(fields: {
  [Key in keyof Fields]: fc.Arbitrary<Fields[Key]>;
}) => fc.record(fields, { requiredKeys: [] });

const order = fc.record({ customerId, contact: sealed, shippingAddress, currency, lines });

/** Any command with a body that its schema would take, personal fields sealed. */
export const anyCommand: fc.Arbitrary<OrderCommand> = fc.oneof(
  command(
    "create",
    fc.tuple(order, optionally({ placedAt: time })).map(([body, more]) => ({ ...body, ...more })),
  ),
  command("ship", shipment),
  command("deliver", optionally({ deliveredAt: time })),
  command("cancel", fc.record({ reason: text })),
  command("change-contact", fc.record({ contact: sealed })),
);
