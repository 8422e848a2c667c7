import { expect, test } from "bun:test";
import fc from "fast-check";

import { inOrderPerCustomer } from "#ops/demo/in-order.ts";
import type { Invoice } from "#ops/demo/invoices.ts";
import { pennies } from "#ops/demo/pennies.ts";
import { planInvoices } from "#ops/demo/plan.ts";

const line = fc.record({
  sku: fc.constantFrom("A", "B", "C"),
  quantity: fc.integer({ min: -2, max: 3 }),
  unitPrice: fc.integer({ min: -1, max: 3 }),
});

/** Invoices and credit notes of three customers, each with a number of its own. */
const invoices = fc
  .array(
    fc.record({
      note: fc.boolean(),
      customerId: fc.constantFrom("c-1", "c-2", "c-3"),
      lines: fc.array(line, { minLength: 1, maxLength: 4 }),
    }),
    { maxLength: 30 },
  )
  .map((drafts): Invoice[] =>
    drafts.map(({ note, customerId, lines }, no) => ({
      invoiceNo: `${note ? "C" : ""}${no}`,
      customerId,
      placedAt: "2010-12-01T08:26:00.000000Z",
      country: "France",
      lines,
    })),
  );

test("a plan counts each invoice once when any invoices come", () => {
  fc.assert(
    fc.property(invoices, (all) => {
      const { commands, skipped, unmatched } = planInvoices(all);
      const sent = (wanted: string) => commands.filter(({ command }) => command === wanted).length;
      expect(sent("ship")).toBe(sent("create"));
      expect(sent("create") + sent("cancel") + skipped + unmatched).toBe(all.length);
    }),
  );
});

test("a plan cancels an order once, after its shipping, and for its own customer", () => {
  fc.assert(
    fc.property(invoices, (all) => {
      const standing = new Map<string, string>();
      for (const { command, orderId, customerId } of planInvoices(all).commands) {
        if (command === "ship") standing.set(orderId, customerId);
        if (command !== "cancel") continue;
        expect(standing.get(orderId)).toBe(customerId);
        standing.delete(orderId);
      }
    }),
  );
});

test("a shorter run sends the beginning of what a longer run sends", () => {
  fc.assert(
    fc.property(invoices, fc.nat(30), (all, limit) => {
      const short = planInvoices(all.slice(0, limit)).commands;
      expect(planInvoices(all).commands.slice(0, short.length)).toEqual([...short]);
    }),
  );
});

test("pennies are at most half a penny below the price and never more than half above", () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 0, max: 6 }), (digits, places) => {
      const sign = digits < 0 ? "-" : "";
      const text = String(Math.abs(digits)).padStart(places + 1, "0");
      const cut = text.length - places;
      const rounded = pennies(`${sign}${text.slice(0, cut)}.${text.slice(cut)}`);
      // Twice the distance in units of the last digit: exact in integers.
      const unit = 10n ** BigInt(places);
      const above = 2n * (BigInt(rounded ?? Number.NaN) * unit - BigInt(digits) * 100n);
      expect(above <= unit && above > -unit).toBe(true);
    }),
  );
});

test("sending keeps every customer's order and the bound when work ends at random", async () => {
  const work = fc.array(fc.record({ customer: fc.nat(4), turns: fc.nat(3) }), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(work, fc.integer({ min: 1, max: 6 }), async (all, concurrency) => {
      const items = all.map((item, no) => ({ ...item, no, customerId: String(item.customer) }));
      const busy = new Set<string>();
      const ended: typeof items = [];
      let inFlightMax = 0;
      await inOrderPerCustomer(items, concurrency, async (item) => {
        expect(busy.has(item.customerId)).toBe(false);
        busy.add(item.customerId);
        inFlightMax = Math.max(inFlightMax, busy.size);
        for (let turn = 0; turn < item.turns; turn += 1) await Promise.resolve();
        busy.delete(item.customerId);
        ended.push(item);
        return "continue";
      });
      const byCustomer = (list: typeof items) =>
        Object.groupBy(list, ({ customerId }) => customerId);
      expect(byCustomer(ended)).toEqual(byCustomer(items));
      expect(inFlightMax).toBeLessThanOrEqual(concurrency);
    }),
  );
});
