import { expect, test } from "bun:test";
import fc from "fast-check";

import type { AnyAggregate } from "#domain/decider.ts";
import { fold, nothingFolded } from "#domain/fold.ts";
import { orders } from "#domain/orders/order.ts";
import { eventTypesOf, type PastEvent, upcast } from "#domain/upcast.ts";
import { loans } from "#test/e2e/fixture/loans/loan.ts";
import { frozen } from "#test/unit/decider-specification.ts";

import { anyEvent } from "./orders-samples.ts";

const eventTypes = eventTypesOf([orders, loans]);

type Kind = Pick<PastEvent, "type" | "schemaVersion" | "payload">;

/** The events as the log holds them, one stream of the aggregate in order. */
const stream = ({ type: aggregateType }: AnyAggregate, kinds: readonly Kind[]): PastEvent[] =>
  kinds.map((kind, index) => ({
    ...kind,
    payload: frozen(JSON.parse(JSON.stringify(kind.payload)) as object),
    eventId: "0195549e-0000-7000-8000-000000000001",
    aggregateType,
    aggregateId: "1",
    version: index + 1,
    position: index + 1,
    createdAt: "2025-03-01T00:00:00.000000Z",
  }));

const day = fc.constantFrom("2025-03-10", "2025-03-31", "2025-04-14");
const lentAt = fc.constant("2025-03-10T09:15:00.123456Z");
const id = fc.constantFrom("a", "b");
const contact = fc.constantFrom("es1.AA", "es1.BB");
const first = { itemId: id, borrowerId: id, contact, dueOn: day, lentAt };

const stored = (
  type: string,
  schemaVersion: number,
  payload: Record<string, fc.Arbitrary<unknown>>,
) => fc.record(payload).map((value): Kind => ({ type, schemaVersion, payload: value }));

/** Any event of a loan, in any version that was ever stored. */
const anyLoanEvent = fc.oneof(
  stored("LoanStarted", 1, first),
  stored("LoanStarted", 2, { ...first, branch: id }),
  stored("LoanRenewed", 1, { dueOn: day }),
  stored("LoanReturned", 1, { returnedAt: lentAt, overdue: fc.boolean() }),
  stored("LoanContactChanged", 1, { contact }),
);

const anyOrderEvent = anyEvent.map((event): Kind => ({ ...event, schemaVersion: 1 }));

test("an event of today is itself when it comes back from JSON, its schema and upcasting", () => {
  fc.assert(
    fc.property(anyOrderEvent, (kind) => {
      const { definition } = eventTypes.get(kind.type) ?? {};
      const [event] = stream(orders, [kind]);
      const payload = definition?.payload.parse(event?.payload);
      const read = event && upcast(eventTypes.get(kind.type), { ...event, payload });
      expect(read?.ok === true && read.value).toEqual({ ...event, payload: kind.payload } as never);
    }),
  );
});

test("an event fits today's schema, whole and unchanged, when it has been upcast", () => {
  fc.assert(
    fc.property(anyLoanEvent, (kind) => {
      const declared = eventTypes.get(kind.type);
      const [event] = stream(loans, [kind]);
      const read = event && upcast(declared, event);
      const payload = read?.ok === true ? read.value.payload : undefined;
      expect(declared?.definition.payload.parse(payload)).toEqual(payload);
      expect(payload).toMatchObject(kind.payload as object);
    }),
  );
});

for (const [aggregate, kind] of [
  [orders, anyOrderEvent],
  [loans, anyLoanEvent],
] as const) {
  test(`${aggregate.name} fold without throwing when any versions come in any order`, () => {
    fc.assert(
      fc.property(fc.array(kind, { maxLength: 30 }), (kinds) => {
        const folded = fold(aggregate, nothingFolded(aggregate), stream(aggregate, kinds));
        expect([folded.version, folded.position]).toEqual([kinds.length, kinds.length]);
      }),
    );
  });
}

test("loans fold to the same state when their first version is stored instead of the second", () => {
  fc.assert(
    fc.property(fc.array(anyLoanEvent, { maxLength: 30 }), (kinds) => {
      const asSecond = kinds.map((kind) =>
        kind.type === "LoanStarted" && kind.schemaVersion === 1
          ? { ...kind, schemaVersion: 2, payload: { ...(kind.payload as object), branch: "main" } }
          : kind,
      );
      const state = (each: readonly Kind[]) =>
        fold(loans, nothingFolded(loans), stream(loans, each)).state;
      expect(state(kinds)).toEqual(state(asSecond));
    }),
  );
});
