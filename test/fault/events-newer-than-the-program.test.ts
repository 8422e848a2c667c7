import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type postgres from "postgres";

import type { AnyAggregate } from "#domain/decider.ts";
import { eventTypesOf } from "#domain/upcast.ts";
import { limits } from "#kernel/limits.ts";
import { createGroupCommit } from "#store/group-commit.ts";
import { readHealth } from "#store/health.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, type TestDatabase } from "#test/database.ts";
import { loans } from "#test/e2e/fixture/loans/loan.ts";
import { appendAll } from "#test/support/appends.ts";
import { openTestKeyring } from "#test/support/keyrings.ts";
import { appendLoan, firstLoan, loansBefore, secondLoan, storedAs } from "#test/support/loans.ts";
import { ensureViews, startLoop } from "#test/support/loops.ts";
import { openHandler } from "#test/support/orders.ts";
import { closeStore, openStore } from "#test/support/store.ts";
import { until } from "#test/until.ts";

// A roll-out: the program before, which knows version 1 of LoanStarted, meets version 2 of it.

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
let stops: (() => Promise<void>)[];
beforeEach(async () => {
  ({ database, pool, sql } = await openStore());
  stops = [];
  await ensureViews(pool, loansBefore.views);
});
afterEach(async () => {
  await Promise.all(stops.map((stop) => stop()));
  await assertNothingLeftOpen(database.url);
  await closeStore({ database, pool, sql });
});

const renewed = (dueOn: string) => storedAs(1, "LoanRenewed", { dueOn });
const returned = () =>
  storedAs(1, "LoanReturned", { returnedAt: firstLoan.lentAt, overdue: false });

/** Positions: a 1 and 2; b 3, whose version is newer, 4 and 5. */
const meet = () =>
  appendAll(
    pool,
    appendLoan("a", 0, storedAs(1, "LoanStarted", firstLoan), renewed("2025-04-14")),
    appendLoan("b", 0, storedAs(2, "LoanStarted", secondLoan), renewed("2025-04-14"), returned()),
  );

function run(
  aggregate: AnyAggregate,
  more: { batchSize?: number; continueOnError?: boolean } = {},
) {
  const { views } = aggregate;
  const loop = startLoop({ pool, views, eventTypes: eventTypesOf([aggregate]), ...more });
  stops.push(loop.stop);
  return loop;
}

const reached = (position: number) =>
  until(`the views reach ${position}`, async () => {
    const [row] = await sql`
      select bool_and(position = ${position}) as there from varve.checkpoints`;
    return row?.["there"] === true;
  });

const documents = async (view: string) => {
  const rows = await sql<{ key: string; document: Record<string, unknown> }[]>`
    select key, document from varve_views.${sql(view)} order by key`;
  return Object.fromEntries(rows.map(({ key, document }) => [key, document]));
};

const letters = async (subscription: string) => {
  const rows = await sql`
    select key, position::int, error_code as code, state, attempts from varve.dead_letters
     where subscription = ${subscription} order by position`;
  return rows.map(({ key, position, code, state, attempts }) =>
    [key, position, code, state, attempts].join(" "),
  );
};

const putAside = [
  "Loan-b 3 schema-behind waiting 1",
  "Loan-b 4 behind-dead-letter waiting 1",
  "Loan-b 5 behind-dead-letter waiting 1",
];

describe("a program that meets events newer than itself", () => {
  for (const batchSize of [1, 2, 100]) {
    test(`puts them aside and what follows them, in pages of ${batchSize}, and goes on`, async () => {
      await meet();
      const loop = run(loansBefore, { batchSize });
      await reached(5);
      await appendAll(pool, appendLoan("a", 2, returned()));
      loop.wake();
      await reached(6);
      expect(await letters("loans")).toEqual(putAside);
      // It does not want renewals.
      expect(await letters("lending")).toEqual(putAside.filter((line) => !line.includes(" 4 ")));
      const { a, ...others } = await documents("loans");
      expect([a?.["status"], a?.["version"], others]).toEqual(["returned", 3, {}]);
      expect(await documents("lending")).toEqual({
        "2025-03-10": { day: "2025-03-10", lent: 1, returned: 1, overdue: 0 },
      });
      const processed = await sql`
        select subscription, events_processed::int as events from varve.checkpoints order by 1`;
      expect([...processed]).toEqual([
        { subscription: "lending", events: 2 },
        { subscription: "loans", events: 3 },
      ]);
    });
  }

  test("counts them as failed, says so once, and stays live", async () => {
    await meet();
    const loop = run(loansBefore);
    await until("it is live", () => loop.report().every(({ state }) => state === "live"));
    expect(
      loop
        .report()
        .map(({ name, eventsFailed, errorsLastMinute, lastError }) => [
          name,
          eventsFailed,
          errorsLastMinute,
          lastError,
        ]),
    ).toEqual([
      ["loans", 3, 3, null],
      ["lending", 2, 2, null],
    ]);
    expect(loop.codes).toEqual(["schema-behind", "schema-behind"]);
    const { subscriptions } = await readHealth(pool, Date.now, limits.healthMs);
    expect(subscriptions.map(({ name, deadLetters }) => [name, deadLetters])).toEqual([
      ["lending", 2],
      ["loans", 3],
    ]);
  });

  test("lets later events wait behind them when it has been started again", async () => {
    await meet();
    await run(loansBefore).stop();
    await reached(5);
    await appendAll(
      pool,
      appendLoan("b", 3, storedAs(1, "LoanContactChanged", { contact: "es1.BB" })),
    );
    run(loansBefore);
    await reached(6);
    expect(await letters("loans")).toEqual([...putAside, "Loan-b 6 behind-dead-letter waiting 1"]);
    expect(Object.keys(await documents("loans"))).toEqual(["a"]);
  });

  test("lets later events through when what they waited for was resolved or discarded", async () => {
    await meet();
    await run(loansBefore).stop();
    await reached(5);
    await sql`update varve.dead_letters set state = 'discarded' where position < 5`;
    await sql`update varve.dead_letters set state = 'resolved' where position = 5`;
    await appendAll(pool, appendLoan("b", 3, storedAs(1, "LoanStarted", firstLoan)));
    run(loansBefore);
    await reached(6);
    expect(Object.keys(await documents("loans"))).toEqual(["a", "b"]);
  });

  test("answers that the database is behind when a command needs them, and takes others", async () => {
    await meet();
    const keyring = await openTestKeyring(pool);
    const groupCommit = createGroupCommit(pool);
    const { handle } = openHandler(pool, keyring, groupCommit);
    const give = (aggregateId: string) =>
      handle({
        aggregate: loansBefore,
        aggregateId,
        command: "return",
        body: {},
        at: firstLoan.lentAt,
        metadata: {},
      }).then(
        ({ kind }) => kind,
        ({ code, context }: { code: string; context: unknown }) => [code, context],
      );
    const context = { eventType: "LoanStarted", schemaVersion: 2, position: 3 };
    expect([await give("a"), await give("b")]).toEqual(["accepted", ["schema-behind", context]]);
    await groupCommit.drain();
  });

  test("stops in front of the first one when it may not put events aside", async () => {
    await meet();
    const loop = run(loansBefore, { continueOnError: false });
    const stopped = () => loop.report().every(({ errorsLastMinute }) => errorsLastMinute >= 3);
    await until("it was tried again and again", stopped);
    await reached(2);
    expect(loop.report()).toMatchObject(
      ["loans", "lending"].map((name) => ({
        name,
        state: "error",
        eventsFailed: 1,
        lastError: "schema-behind",
      })),
    );
    expect([await letters("loans"), Object.keys(await documents("loans"))]).toEqual([[], ["a"]]);
    await loop.stop();
    run({ ...loans, views: loansBefore.views });
    await reached(5);
    expect(Object.keys(await documents("loans"))).toEqual(["a", "b"]);
  });

  test("goes on with a stream that holds a type which no view wants", async () => {
    const unknown = storedAs(7, "LoanAuctioned", { bids: 3 });
    await appendAll(
      pool,
      appendLoan("c", 0, storedAs(1, "LoanStarted", firstLoan), unknown, renewed("2025-04-14")),
    );
    const loop = run(loansBefore);
    await reached(3);
    const { c } = await documents("loans");
    expect([c?.["version"], c?.["dueOn"], await letters("loans"), loop.codes]).toEqual([
      3,
      "2025-04-14",
      [],
      [],
    ]);
  });
});

describe("the program that follows", () => {
  test("builds a view of a new version from nothing, with what was put aside before", async () => {
    await meet();
    await run(loansBefore).stop();
    await reached(5);
    await ensureViews(pool, loans.views);
    run(loans);
    await reached(5);
    const { a, b } = await documents("loans");
    expect([a?.["branch"], b?.["branch"], b?.["status"]]).toEqual(["main", "north", "returned"]);
    expect(await letters("loans")).toEqual(
      putAside.map((line) => line.replace("waiting", "resolved")),
    );
  });

  test("puts them aside again when the view is built anew and still cannot read them", async () => {
    await meet();
    await run(loansBefore).stop();
    await reached(5);
    await ensureViews(pool, loans.views);
    run({ ...loansBefore, views: loans.views });
    await reached(5);
    const again = putAside.map((line) => line.replace("waiting 1", "waiting 2"));
    expect([await letters("loans"), Object.keys(await documents("loans"))]).toEqual([again, ["a"]]);
  });

  test("leaves nothing to the program before when it has raised the view's version", async () => {
    await ensureViews(pool, loans.views);
    const loop = run(loansBefore);
    const held = () => loop.report().map((report) => [report.name, report.held]);
    await until("it was refused", () => loop.report().some(({ state }) => state === "stopped"));
    await until("it holds the other", () => held().some(([, has]) => has));
    await meet();
    run(loans);
    await until(
      "the view is there",
      async () => Object.keys(await documents("loans")).length === 2,
    );
    expect([held(), await letters("loans")]).toEqual([
      [
        ["loans", false],
        ["lending", true],
      ],
      [],
    ]);
  });
});
