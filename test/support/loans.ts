import { uuidv7 } from "#kernel/ids.ts";
import type { AnyAggregate } from "#domain/decider.ts";
import type { Append, NewEvent } from "#store/append.ts";
import { loans } from "#test/e2e/fixture/loans/loan.ts";

/** A loan as version 1 of `LoanStarted` has it: without a branch. */
export const firstLoan = {
  itemId: "i-7",
  borrowerId: "b-1",
  contact: "es1.AAAA",
  dueOn: "2025-03-31",
  lentAt: "2025-03-10T09:15:00.123456Z",
};

/** The same loan as version 2 has it. */
export const secondLoan = { ...firstLoan, branch: "north" };

/** An event as a program of that version of its schema stored it. */
export const storedAs = (schemaVersion: number, type: string, payload: unknown): NewEvent => ({
  id: uuidv7(),
  type,
  schemaVersion,
  timestamp: firstLoan.lentAt,
  payload,
  metadata: { requestId: "r-1" },
  subjectKeys: [],
});

/** An append to the stream of that loan. */
export const appendLoan = (
  aggregateId: string,
  expectedVersion: number,
  ...events: readonly NewEvent[]
): Append => ({ aggregateType: "Loan", aggregateId, expectedVersion, events });

/** Loans as the program before knew them: no branch, and its views at their versions of then. */
export const loansBefore: AnyAggregate = {
  ...loans,
  events: {
    ...loans.events,
    LoanStarted: { ...loans.events["LoanStarted"], version: 1, upcasters: {} } as never,
  },
  views: loans.views.map((view) => ({ ...view, version: 1 })),
};
