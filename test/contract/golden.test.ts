import { expect, test } from "bun:test";
import { z } from "zod";

import type { AnyAggregate, EventDefinition } from "#domain/decider.ts";
import { aggregates } from "#domain/registry.ts";
import { loans } from "#test/e2e/fixture/loans/loan.ts";
import {
  goldenFaults,
  goldenName,
  readGolden,
  schemaOf,
  type Golden,
} from "#test/support/golden.ts";
import { firstLoan, loansBefore, secondLoan } from "#test/support/loans.ts";

test("every version of every event is read as it always was when its golden file is", () => {
  expect(goldenFaults(aggregates, readGolden())).toEqual([]);
});

/** Loans with one event alone, defined as given. */
const loansWith = (definition: EventDefinition): AnyAggregate => ({
  ...loans,
  events: { LoanStarted: definition },
});

const { LoanStarted: today } = loans.events as Record<string, EventDefinition>;
const { LoanStarted: before } = loansBefore.events as Record<string, EventDefinition>;
if (today === undefined || before === undefined) throw new Error("loans have no start");

const golden = (schemaVersion: number, payload: unknown, now: unknown): Golden => ({
  stored: { aggregateType: "Loan", type: "LoanStarted", schemaVersion, payload, metadata: {} },
  schema: schemaOf(schemaVersion === 1 ? before : today),
  today: now,
});
const first = golden(1, firstLoan, { ...firstLoan, branch: "main" });
const second = golden(2, secondLoan, secondLoan);

const faults = (definition: EventDefinition, ...files: readonly Golden[]) =>
  goldenFaults(
    [loansWith(definition)],
    new Map(files.map((file) => [goldenName(file.stored), file])),
  );

const { payload } = today;
const shape = (payload as z.ZodObject).shape;
const changed =
  "LoanStarted.v2.json: the payload has changed; raise the version and write an upcaster";

const planted: readonly (readonly [string, () => readonly string[], readonly string[]])[] = [
  ["nothing is wrong", () => faults(today, first, second), []],
  [
    "a version has no file",
    () => faults(today, second),
    ["LoanStarted.v1.json is missing: bun run golden writes it"],
  ],
  [
    "the version was raised",
    () =>
      faults(
        { ...today, version: 3, upcasters: { ...today.upcasters, 2: (loan) => loan } },
        first,
        second,
      ),
    ["LoanStarted.v3.json is missing: bun run golden writes it"],
  ],
  [
    "a field was added without a version",
    () =>
      faults(
        { ...today, payload: z.strictObject({ ...shape, note: z.string().optional() }) },
        first,
        second,
      ),
    [changed],
  ],
  [
    "a field was made narrower without a version",
    () =>
      faults(
        { ...today, payload: z.strictObject({ ...shape, itemId: z.string().max(9) }) },
        first,
        second,
      ),
    [changed],
  ],
  [
    "an upcaster gives something else than it gave",
    () =>
      faults(
        { ...today, upcasters: { 1: (loan: object) => ({ ...loan, branch: "north" }) } },
        first,
        second,
      ),
    ['LoanStarted.v1.json is not read as its "today"'],
  ],
  [
    "an upcaster gives what the schema does not take",
    () => faults({ ...today, upcasters: { 1: (loan) => loan } }, first, second),
    ["LoanStarted.v1.json does not fit today's schema"],
  ],
  [
    "the program is older than a file",
    () => faults(before, first, second),
    [
      "LoanStarted.v1.json does not fit today's schema",
      "LoanStarted.v2.json cannot be read by this program",
    ],
  ],
];

for (const [when, found, expected] of planted) {
  test(`golden files say so when ${when}`, () => {
    expect(found()).toEqual(expected);
  });
}
