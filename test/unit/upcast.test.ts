import { describe, expect, test } from "bun:test";
import { z } from "zod";

import { defineAggregate, defineEvent, type EventDefinition } from "#domain/decider.ts";
import { fold, nothingFolded } from "#domain/fold.ts";
import { eventTypesOf, type PastEvent, upcast } from "#domain/upcast.ts";
import { Defect } from "#kernel/errors.ts";
import { loans } from "#test/e2e/fixture/loans/loan.ts";

type First = { readonly name: string };
type Second = { readonly names: string[] };

const named = defineEvent({
  version: 3,
  payload: z.strictObject({ names: z.array(z.string()), count: z.int() }),
  upcasters: {
    1: ({ name }: First): Second => ({ names: [name] }),
    2: ({ names }: Second) => ({ names, count: names.length }),
  },
});

const stored = (changed: Partial<PastEvent> = {}): PastEvent => ({
  type: "Named",
  payload: { name: "a" },
  schemaVersion: 1,
  eventId: "0195549e-0000-7000-8000-000000000001",
  aggregateType: "Thing",
  aggregateId: "t-1",
  version: 1,
  position: 7,
  createdAt: "2025-03-10T09:15:00.123456Z",
  ...changed,
});

const read = (definition: EventDefinition, event: PastEvent) => {
  const result = upcast({ aggregateType: "Thing", definition }, event);
  if (result.ok) return [result.value.schemaVersion, result.value.payload];
  return [result.error.code, result.error.context];
};

describe("upcasting", () => {
  test("event goes through each step between its version and today's when it is read", () => {
    const [a, ab] = [
      { names: ["a"], count: 1 },
      { names: ["a", "b"], count: 2 },
    ];
    expect([
      read(named, stored()),
      read(named, stored({ schemaVersion: 2, payload: { names: ["a", "b"] } })),
      read(named, stored({ schemaVersion: 3, payload: { names: [], count: 5 } })),
    ]).toEqual([
      [3, a],
      [3, ab],
      [3, { names: [], count: 5 }],
    ]);
  });

  test("event stays as it was stored when it is read", () => {
    const event = Object.freeze(stored({ payload: Object.freeze({ name: "a" }) }));
    read(named, event);
    expect(event).toEqual(stored());
  });

  const context = (schemaVersion: number) => ({ eventType: "Named", schemaVersion, position: 7 });

  for (const schemaVersion of [4, 0, -1, 2.5, Number.NaN, 2 ** 31]) {
    test(`event is newer than the program when its version is ${schemaVersion}`, () => {
      expect(read(named, stored({ schemaVersion }))).toEqual([
        "schema-behind",
        context(schemaVersion),
      ]);
    });
  }

  test("event is unknown when nobody declares it, or another aggregate type does", () => {
    const refused = upcast(undefined, stored());
    expect(!refused.ok && refused.error.code).toBe("schema-behind");
    expect(read(named, stored({ aggregateType: "Person" }))).toEqual(["schema-behind", context(1)]);
  });

  test("event cannot be read when an upcaster throws", () => {
    const broken = {
      ...named,
      upcasters: { ...named.upcasters, 2: (): unknown => JSON.parse("{") },
    };
    expect(read(broken, stored())).toEqual(["upcast-failed", context(1)]);
  });

  test("type is looked up among declared ones alone when it is called as an object's own are", () => {
    const event = { ...stored(), type: "constructor", aggregateType: "Loan" };
    expect(upcast(eventTypesOf([loans]).get("constructor"), event).ok).toBe(false);
    expect(() => fold(loans, nothingFolded(loans), [event])).toThrow(
      expect.objectContaining({ code: "schema-behind" }),
    );
  });
});

describe("folding", () => {
  test("a gap is a defect that says where it is, and not whose, when versions do not follow", () => {
    const event = { ...stored({ version: 3, position: 41 }), aggregateId: "ada@example.org" };
    expect(() => fold(loans, nothingFolded(loans), [event])).toThrow(
      new Defect(
        "a stream of Loan has a gap: version 3, at position 41, follows version 0: run `varve verify`",
      ),
    );
  });
});

describe("a declaration", () => {
  const declare = (definition: EventDefinition) => () =>
    defineAggregate({ ...loans, events: { Named: definition } });
  const step = () => ({});

  const faults: readonly (readonly [string, Partial<EventDefinition>])[] = [
    ["Named has no version", { version: 0 }],
    ["Named has no version", { version: 1.5 }],
    ["Named has no upcaster from version 1", { version: 2 }],
    ["Named has no upcaster from version 2", { version: 3, upcasters: { 1: step } }],
    ["Named 1 has an upcaster from version 1", { upcasters: { 1: step } }],
    ["Named 2 has an upcaster from version 0", { version: 2, upcasters: { 0: step, 1: step } }],
    [
      "Named 2 has an upcaster from version 01",
      { version: 2, upcasters: { 1: step, ["01" as never]: step } },
    ],
  ];
  for (const [fault, changed] of faults) {
    test(`is refused when ${fault}`, () => {
      expect(declare({ version: 1, payload: z.unknown(), ...changed })).toThrow(fault);
    });
  }

  test("is taken when each version before today's has its step", () => {
    expect(declare(named)).not.toThrow();
  });

  test("does not compile when steps do not fit each other", () => {
    const payload = z.strictObject({ c: z.number() });
    const one = ({ a }: { a: number }) => ({ b: a });
    const two = ({ b }: { b: number }) => ({ c: b });
    const versions = [
      defineEvent({ version: 3, payload, upcasters: { 1: one, 2: two } }),
      // @ts-expect-error the first step is missing
      defineEvent({ version: 3, payload, upcasters: { 2: two } }),
      // @ts-expect-error there is nothing after today's version
      defineEvent({ version: 2, payload, upcasters: { 1: two, 2: two } }),
      // @ts-expect-error the last step does not give today's payload
      defineEvent({ version: 2, payload, upcasters: { 1: one } }),
      // @ts-expect-error the second step takes something else than the first one gives
      defineEvent({ version: 3, payload, upcasters: { 1: two, 2: two } }),
    ].map(({ version }) => version);
    expect(versions).toEqual([3, 3, 2, 2, 3]);
  });
});
