import { expect, test } from "bun:test";
import fc from "fast-check";

import type { RecordedEvent, View } from "#domain/decider.ts";
import { customersView } from "#domain/orders/customers-view.ts";
import type { OrderEvent } from "#domain/orders/events.ts";
import { orders } from "#domain/orders/order.ts";
import { salesView } from "#domain/orders/sales-view.ts";
import { frozen } from "#test/unit/decider-specification.ts";

import { anyLog } from "./orders-samples.ts";

type Log = readonly RecordedEvent<OrderEvent>[];

/** The documents of a view by key; neither documents nor events may be changed by `project`. */
function documentsOf(view: View, log: Log, from: ReadonlyMap<string, unknown> = new Map()) {
  const documents = new Map(from);
  for (const event of log) {
    const key = view.events.includes(event.type) ? view.key(event) : null;
    if (key === null) continue;
    documents.set(key, frozen(view.project(documents.get(key) ?? null, frozen(event))));
  }
  return documents;
}

const shuffled = anyLog.chain((log) =>
  fc.tuple(fc.constant(log), fc.shuffledSubarray([...log], { minLength: log.length })),
);

for (const view of orders.views) {
  test(`${view.name} folds without throwing and the same each time when any events come`, () => {
    fc.assert(
      fc.property(anyLog, (log) => {
        expect(documentsOf(view, JSON.parse(JSON.stringify(log)))).toEqual(documentsOf(view, log));
      }),
    );
  });

  test(`${view.name} folds to the same documents when the log is cut into two pages`, () => {
    fc.assert(
      fc.property(anyLog, fc.nat(40), (log, cut) => {
        const first = documentsOf(view, log.slice(0, cut));
        const stored = new Map<string, unknown>(JSON.parse(JSON.stringify([...first])));
        expect(documentsOf(view, log.slice(cut), stored)).toEqual(documentsOf(view, log));
      }),
    );
  });
}

for (const view of [customersView, salesView]) {
  test(`${view.name} come to the same sums when the events come in another order`, () => {
    fc.assert(
      fc.property(shuffled, ([log, mixed]) => {
        expect(documentsOf(view, mixed)).toEqual(documentsOf(view, log));
      }),
    );
  });
}

test("sales add up to the totals of all orders and of all cancellations", () => {
  const totalOf = (log: Log, type: "OrderCreated" | "OrderCancelled") =>
    log.reduce((sum, event) => sum + (event.type === type ? event.payload.total.amount : 0), 0);
  const sumOf = (log: Log, field: string) =>
    [...documentsOf(salesView, log).values()].reduce<number>(
      (sum, document) =>
        sum + ((document as Readonly<Record<string, number>>)[field] ?? Number.NaN),
      0,
    );
  fc.assert(
    fc.property(anyLog, (log) => {
      expect([sumOf(log, "revenue"), sumOf(log, "cancelledRevenue")]).toEqual([
        totalOf(log, "OrderCreated"),
        totalOf(log, "OrderCancelled"),
      ]);
    }),
  );
});
