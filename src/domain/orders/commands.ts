import { z } from "zod";

import { utcMicros } from "#kernel/clock.ts";
import { identifier } from "#kernel/ids.ts";

import { type CommandsOf, defineCommand, type Fault } from "#domain/decider.ts";
import { contact, currency, instant, lines, shippingAddress, text } from "./values.ts";

/** A fault at the pointer if the time lies after the time of acceptance; equal is allowed. */
const inFuture = (pointer: string, time: string | undefined, at: string): readonly Fault[] =>
  time !== undefined && utcMicros(time) > at
    ? [{ pointer, message: "must not be in the future" }]
    : [];

/** What may be asked of an order. Unknown keys are refused, so that a typo is never swallowed. */
export const commands = {
  create: defineCommand({
    body: z.strictObject({
      customerId: identifier,
      contact,
      shippingAddress,
      currency,
      lines,
      placedAt: instant.optional(),
    }),
    // 2,000 lines of the longest SKU come to 260 KiB; the rest is room for white space.
    bodyBytesMax: 512 * 1024,
    check: (body, at) => inFuture("/placedAt", body.placedAt, at),
  }),
  ship: defineCommand({
    body: z.strictObject({ carrier: text(100), trackingNumber: text(100) }),
  }),
  deliver: defineCommand({
    body: z.strictObject({ deliveredAt: instant.optional() }),
    check: (body, at) => inFuture("/deliveredAt", body.deliveredAt, at),
  }),
  cancel: defineCommand({ body: z.strictObject({ reason: text(500) }) }),
  "change-contact": defineCommand({ body: z.strictObject({ contact }) }),
};

export type OrderCommand = CommandsOf<typeof commands>;
