import { expect, test } from "bun:test";
import fc from "fast-check";

import { events as definitions, type OrderEvent } from "#domain/orders/events.ts";
import { orderDecider, orders } from "#domain/orders/order.ts";
import { totalMinor } from "#domain/orders/values.ts";
import { fold, frozen } from "#test/unit/decider-specification.ts";

import { anyCommand, anyEvent, lines } from "./orders-samples.ts";

const anyEvents = fc.array(anyEvent, { maxLength: 20 });

test("an order folds without throwing and without changing its input when any events come", () => {
  fc.assert(
    fc.property(anyEvents, (events) => {
      const exists = events.some(({ type }) => type === "OrderCreated");
      expect(fold(orderDecider, events).status === "none").toBe(!exists);
    }),
  );
});

test("an order folds to the same state when its events have been through JSON", () => {
  fc.assert(
    fc.property(anyEvents, (events) => {
      const stored: OrderEvent[] = JSON.parse(JSON.stringify(events));
      expect(fold(orderDecider, stored)).toEqual(fold(orderDecider, events));
    }),
  );
});

test("a state of an order is what a snapshot may hold when any events have come", () => {
  fc.assert(
    fc.property(anyEvents, (events) => {
      const state = fold(orderDecider, events);
      const stored: unknown = JSON.parse(JSON.stringify(state));
      expect(orders.snapshot?.state.parse(stored)).toEqual(state);
    }),
  );
});

test("an order folds to the same state when it is resumed from a snapshot in between", () => {
  fc.assert(
    fc.property(anyEvents, anyEvents, (before, after) => {
      const snapshot: typeof orderDecider.initialState = JSON.parse(
        JSON.stringify(fold(orderDecider, before)),
      );
      const resumed = { ...orderDecider, initialState: snapshot };
      expect(fold(resumed, after)).toEqual(fold(orderDecider, [...before, ...after]));
    }),
  );
});

test("a decision is one event that passes its schema, or a rejection, when any state is met", () => {
  fc.assert(
    fc.property(anyEvents, anyCommand, (events, command) => {
      const decision = orderDecider.decide(frozen(command), fold(orderDecider, events));
      if (!decision.ok) return expect(decision.error.type).toStartWith("order-");
      const parsed = decision.value.map(({ type, payload }) =>
        definitions[type].payload.parse(payload),
      );
      expect<unknown[]>(parsed).toEqual(decision.value.map(({ payload }) => payload));
      expect(parsed).toHaveLength(1);
    }),
  );
});

test("an order never leaves its way when it is only changed by its own decisions", () => {
  const next: Readonly<Record<string, readonly string[]>> = {
    none: ["created"],
    created: ["created", "shipped", "cancelled"],
    shipped: ["shipped", "delivered", "cancelled"],
    delivered: [],
    cancelled: [],
  };
  fc.assert(
    fc.property(fc.array(anyCommand, { maxLength: 30 }), (commands) => {
      let state = orderDecider.initialState;
      for (const command of commands) {
        const decision = orderDecider.decide(command, state);
        if (!decision.ok) continue;
        const after = decision.value.reduce(orderDecider.evolve, state);
        expect(next[state.status]).toContain(after.status);
        state = after;
      }
    }),
  );
});

test("a total is exact when it is added up in whole numbers of any size", () => {
  fc.assert(
    fc.property(lines, (all) => {
      const exact = all.reduce(
        (sum, line) => sum + BigInt(line.quantity) * BigInt(line.unitPrice),
        0n,
      );
      expect(BigInt(totalMinor(all))).toBe(exact);
    }),
  );
});

test("a total is never below 2^53 when the true sum is above", () => {
  const huge = fc.integer({ min: 2 ** 27, max: Number.MAX_SAFE_INTEGER });
  const line = fc.record({ sku: fc.constant("a"), quantity: huge, unitPrice: huge });
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 20 }), (all) => {
      expect(totalMinor(all)).toBeGreaterThanOrEqual(2 ** 53);
    }),
  );
});
