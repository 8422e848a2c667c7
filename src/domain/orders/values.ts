import { z } from "zod";

import { utcMicros } from "#kernel/clock.ts";
import { personal, sealedText } from "#kernel/personal.ts";

/**
 * The largest total of one order, in minor units. JSON numbers are exact up to 2^53, and the views
 * add totals up: 9,007 orders of this size fit into one sum before a digit is lost.
 */
export const totalMinorMax = 1_000_000_000_000;

/** A wholesaler's longest real invoice has 1,114 lines; more than this is a batch, not an order. */
export const linesMax = 2_000;

/**
 * Text that a person typed: 1 to `lengthMax` UTF-16 code units. Characters that no store can hold,
 * such as NUL, are refused at the edge for every command alike.
 */
export const text = (lengthMax: number) => z.string().min(1).max(lengthMax);

/**
 * A time with an offset, on a day that exists. Years outside 0000 to 9999 in UTC are refused: their
 * text would no longer sort by time. `abort` keeps `utcMicros` from seeing what is no time.
 */
export const instant = z.iso
  .datetime({ offset: true, abort: true, error: "must be an ISO 8601 time with an offset" })
  .max(40)
  .refine((time) => /^\d{4}-/.test(utcMicros(time)), "must lie in the years 0000 to 9999");

/** A time as it is stored: UTC with microseconds, so that text order is time order. */
export const storedInstant = z.iso.datetime({ precision: 6 });

/** An ISO 4217 code. Which codes are alive is for the caller to know. */
export const currency = z.string().regex(/^[A-Z]{3}$/, "must be three capital letters");

/** An ISO 3166-1 alpha-2 code, user-assigned ones such as ZZ included. */
export const country = z.string().regex(/^[A-Z]{2}$/, "must be two capital letters");

/** An integer of minor units in a currency. */
export const money = z.strictObject({ amount: z.int(), currency });

/** One line of an order; `unitPrice` in minor units of the order's currency. */
export const line = z.strictObject({
  sku: text(64),
  quantity: z.int().min(1),
  unitPrice: z.int().min(1),
});
export type Line = z.output<typeof line>;

/**
 * The sum of quantity times price, in minor units. Exact up to 2^53, and never below it when the
 * true sum is above, so that it may be compared with a limit.
 */
export const totalMinor = (lines: readonly Line[]): number =>
  lines.reduce((sum, { quantity, unitPrice }) => sum + quantity * unitPrice, 0);

/** The lines of one order, 1 to `linesMax`, worth at most `totalMinorMax`. */
export const lines = z
  .array(line)
  .min(1)
  .max(linesMax)
  .refine((all) => totalMinor(all) <= totalMinorMax, {
    error: `must be worth at most ${totalMinorMax} minor units together`,
  });

/** How to reach the person; sealed as a whole. */
export const contact = personal(
  z.strictObject({
    name: text(200),
    email: z.email().max(254),
    phone: text(40).optional(),
  }),
  { subject: "customerId", label: "order.contact", index: { email: "email.v1" } },
);

/** Where the goods go; sealed but for the country, which taxes and carriers depend on. */
export const shippingAddress = personal(
  z.strictObject({
    line1: text(200),
    line2: text(200).optional(),
    city: text(200),
    postcode: text(20),
    country,
  }),
  { subject: "customerId", label: "order.shippingAddress", clear: ["country"] },
);

/** The shipping address as events and documents hold it. */
export const sealedAddress = z.strictObject({ sealed: sealedText, country });

/** Where an order stands; once delivered or cancelled it is closed. */
export const orderStatus = z.enum(["created", "shipped", "delivered", "cancelled"]);
export type OrderStatus = z.output<typeof orderStatus>;
