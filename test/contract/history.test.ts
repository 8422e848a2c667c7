import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type postgres from "postgres";

import type { AnyAggregate } from "#domain/decider.ts";
import { orders } from "#domain/orders/order.ts";
import { limits } from "#kernel/limits.ts";
import { examineHistory, type HistoryOptions } from "#ops/doctor/history.ts";
import { describeHistory, historyExit } from "#ops/doctor/history-report.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, type TestDatabase } from "#test/database.ts";
import { loans } from "#test/e2e/fixture/loans/loan.ts";
import { appendAll } from "#test/support/appends.ts";
import { appendLoan, firstLoan, loansBefore, secondLoan, storedAs } from "#test/support/loans.ts";
import { closeStore, openStore } from "#test/support/store.ts";

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
beforeEach(async () => {
  ({ database, pool, sql } = await openStore());
});
afterEach(async () => {
  await assertNothingLeftOpen(database.url);
  await closeStore({ database, pool, sql });
});

const examine = (aggregates: readonly AnyAggregate[], changed: Partial<HistoryOptions> = {}) =>
  examineHistory(pool, {
    aggregates,
    signal: new AbortController().signal,
    onPage: () => undefined,
    ...changed,
  });

const started = (version: number, payload: unknown) => storedAs(version, "LoanStarted", payload);
const returned = (payload: unknown = { returnedAt: firstLoan.lentAt, overdue: false }) =>
  storedAs(1, "LoanReturned", payload);

const whole = { missing: 0, notLookedAt: [], interrupted: false };
const row = (type: string, schemaVersion: number, count: number, status: string) => ({
  aggregateType: "Loan",
  type,
  schemaVersion,
  count,
  status,
  faults: [],
});

describe("the history of the log", () => {
  test("is read as a whole when every version passes its upcasters and schema", async () => {
    await appendAll(
      pool,
      appendLoan("a", 0, started(1, firstLoan), returned()),
      appendLoan("b", 0, started(2, secondLoan)),
      appendLoan("c", 0, started(2, secondLoan)),
    );
    const history = await examine([orders, loans]);
    const found: unknown = history;
    expect(found).toEqual({
      ...whole,
      events: 4,
      versions: [
        row("LoanReturned", 1, 1, "today"),
        row("LoanStarted", 1, 1, "upcast"),
        row("LoanStarted", 2, 2, "today"),
      ],
    });
    expect([historyExit(history), describeHistory(history)]).toEqual([
      0,
      [
        "stream         event                        version         count  status",
        "Loan           LoanReturned                       1             1  read as it is",
        "Loan           LoanStarted                        1             1  read by its upcasters",
        "Loan           LoanStarted                        2             2  read as it is",
        "4 events, no version with faults",
      ],
    ]);
  });

  test("names every kind of fault with its positions when there are some", async () => {
    const throwing: AnyAggregate = {
      ...loans,
      events: {
        ...loans.events,
        LoanStarted: {
          ...loans.events["LoanStarted"],
          upcasters: {
            1: (loan: typeof secondLoan) => {
              // A step that changes its argument fails as one that throws.
              loan.branch = "main";
              return loan;
            },
          },
        } as never,
      },
    };
    const malformed = Array.from({ length: 7 }, () => returned({ returnedAt: "yesterday" }));
    await appendAll(
      pool,
      appendLoan("a", 0, started(1, firstLoan), started(3, secondLoan), ...malformed),
      appendLoan("b", 0, storedAs(1, "LoanAuctioned", {}), returned()),
      { ...appendLoan("c", 0, returned()), aggregateType: "Lease" },
    );
    const history = await examine([orders, throwing]);
    const faults: readonly unknown[] = history.versions.map(
      ({ aggregateType, type, schemaVersion, faults: found }) => [
        aggregateType,
        type,
        schemaVersion,
        ...found,
      ],
    );
    expect(faults).toEqual([
      ["Lease", "LoanReturned", 1, { fault: "unknown-type", count: 1, positions: [12] }],
      ["Loan", "LoanAuctioned", 1, { fault: "unknown-type", count: 1, positions: [10] }],
      ["Loan", "LoanReturned", 1, { fault: "does-not-fit", count: 7, positions: [3, 4, 5, 6, 7] }],
      ["Loan", "LoanStarted", 1, { fault: "upcaster-throws", count: 1, positions: [1] }],
      ["Loan", "LoanStarted", 3, { fault: "newer-version", count: 1, positions: [2] }],
    ]);
    expect(historyExit(history)).toBe(1);
    const lines = describeHistory(history);
    expect(lines).toContain("  does-not-fit: 7 at 3, 4, 5, 6, 7 …");
    expect(lines.at(-1)).toBe("12 events, 5 versions with faults");
  });

  test("tells what a program would not understand when it asks before it is rolled out", async () => {
    await appendAll(pool, appendLoan("a", 0, started(2, secondLoan)));
    const { versions } = await examine([loansBefore]);
    expect(versions.flatMap(({ faults }) => faults.map(({ fault }) => fault))).toEqual([
      "newer-version",
    ]);
  });

  test("is read page by page when it is longer than one, and no further than it was", async () => {
    const events = limits.readEvents + 200;
    await appendAll(pool, appendLoan("a", 0, ...Array.from({ length: 700 }, () => returned())));
    await appendAll(pool, appendLoan("a", 700, ...Array.from({ length: 500 }, () => returned())));
    const pages: unknown[] = [];
    const later: Promise<unknown>[] = [];
    const { versions }: { versions: unknown } = await examine([loans], {
      onPage: (done, all) => {
        pages.push([done, all]);
        if (later.length === 0) later.push(appendAll(pool, appendLoan("b", 0, returned())));
      },
    });
    await Promise.all(later);
    expect(pages).toEqual([
      [limits.readEvents, events],
      [events, events],
    ]);
    expect(versions).toEqual([row("LoanReturned", 1, events, "today")]);
  });

  test("ends after the page in hand when it is interrupted", async () => {
    await appendAll(pool, appendLoan("a", 0, ...Array.from({ length: 700 }, () => returned())));
    await appendAll(pool, appendLoan("a", 700, ...Array.from({ length: 500 }, () => returned())));
    const controller = new AbortController();
    const onPage = (): void => controller.abort();
    const history = await examine([loans], { signal: controller.signal, onPage });
    expect([history.events, history.interrupted, historyExit(history)]).toEqual([1_000, true, 130]);
    expect(describeHistory(history)).toContain("interrupted: later events were not looked at");
  });

  test("names what it did not look at when a partition is archived", async () => {
    await appendAll(pool, appendLoan("a", 0, started(1, firstLoan), returned()));
    await sql`update varve.events set position = position + 40`;
    await sql`update varve.event_partitions set first_position = 41 where first_position = 1`;
    await sql`
      insert into varve.event_partitions
          (name, lower_bound, upper_bound, first_position, last_position, state)
        values ('events_2001_01', '2001-01-01Z', '2001-02-01Z', 1, 40, 'archived')`;
    const history = await examine([loans]);
    const part = { name: "events_2001_01", state: "archived", first: 1, last: 40 };
    expect([history.events, history.missing, history.notLookedAt]).toEqual([2, 0, [part as never]]);
    expect(describeHistory(history)).toContain(
      "not looked at: events_2001_01 is archived, positions 1 to 40; restore it to look at it",
    );
  });

  test("is found short when events are missing", async () => {
    await appendAll(pool, appendLoan("a", 0, started(1, firstLoan), returned(), returned()));
    await sql`delete from varve.events where position = 2`;
    const history = await examine([loans]);
    expect([history.events, history.missing, historyExit(history)]).toEqual([2, 1, 1]);
    expect(describeHistory(history)).toContain("missing from the log: 1; see varve verify");
  });

  test("is nothing when the log is empty", async () => {
    expect(await examine([loans])).toEqual({ ...whole, events: 0, versions: [] });
  });
});
