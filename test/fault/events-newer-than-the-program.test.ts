import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type postgres from "postgres";

import type { AnyAggregate } from "#domain/decider.ts";
import { eventTypesOf } from "#domain/upcast.ts";
import { limits } from "#kernel/limits.ts";
import { createGroupCommit } from "#store/group-commit.ts";
import { readHealth } from "#store/health.ts";
import { retryDeadLetters } from "#store/dead-letters.ts";
import type { Pool } from "#store/pool.ts";
import { swapView } from "#store/subscriptions.ts";
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

/** Runs the program until its views are there. */
async function runTo(position: number, aggregate: AnyAggregate): Promise<void> {
  const loop = run(aggregate);
  await reached(position);
  await loop.stop();
}

const documents = async (view: string) => {
  const rows = await sql<{ key: string; document: Record<string, unknown> }[]>`
    select key, document from varve_views.${sql(view)} order by key`;
  return Object.fromEntries(rows.map(({ key, document }) => [key, document]));
};

const letters = async (subscription: string) => {
  const rows = await sql`
    select kind, key, position::int, error_code as code, state, attempts from varve.dead_letters
     where subscription = ${subscription} order by position`;
  return rows.map((row) => Object.values(row).join(" "));
};

const unread = "stream Loan-b 3 schema-behind waiting 1";
const behind = (key: string, position: number) =>
  `document ${key} ${position} behind-dead-letter waiting 0`;
const putAside = [unread, behind("b", 4), behind("b", 5)];

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
      // It does not want renewals, and a day has the events of all streams in order.
      const day = "2025-03-10";
      expect(await letters("lending")).toEqual([unread, behind(day, 5), behind(day, 6)]);
      const { a, ...others } = await documents("loans");
      expect([a?.["status"], a?.["version"], others]).toEqual(["returned", 3, {}]);
      expect(await documents("lending")).toEqual({
        "2025-03-10": { day: "2025-03-10", lent: 1, returned: 0, overdue: 0 },
      });
      const processed = await sql`
        select subscription, events_processed::int as events from varve.checkpoints order by 1`;
      expect([...processed]).toEqual([
        { subscription: "lending", events: 1 },
        { subscription: "loans", events: 3 },
      ]);
    });
  }

  test("counts them as failed, says so once, and stays live", async () => {
    await meet();
    const loop = run(loansBefore);
    await reached(5);
    await until("it is live", () => loop.report().every(({ state }) => state === "live"));
    const told = { halted: false, eventsFailed: 1, errorsLastMinute: 1 };
    const failed = { ...told, lastError: "schema-behind" };
    expect(loop.report()).toMatchObject(["lending", "loans"].map((name) => ({ name, ...failed })));
    expect(loop.codes).toEqual(["schema-behind", "schema-behind"]);
    const { subscriptions } = await readHealth(pool, Date.now, limits.healthMs);
    expect(subscriptions.map(({ name, deadLetters }) => [name, deadLetters])).toEqual([
      ["lending", 2],
      ["loans", 3],
    ]);
  });

  test("lets later events wait behind them when it has been started again", async () => {
    await meet();
    await runTo(5, loansBefore);
    await appendAll(
      pool,
      appendLoan("b", 3, storedAs(1, "LoanContactChanged", { contact: "es1.BB" })),
    );
    run(loansBefore);
    await reached(6);
    expect(await letters("loans")).toEqual([...putAside, behind("b", 6)]);
    expect(Object.keys(await documents("loans"))).toEqual(["a"]);
  });

  test("lets later events through when what they waited for was resolved or discarded", async () => {
    await meet();
    await runTo(5, loansBefore);
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
      ["lending", "loans"].map((name) => ({
        name,
        state: "error",
        halted: true,
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
  const branches = async () => {
    const { a, b } = await documents("loans");
    return [a?.["branch"], b?.["branch"], b?.["status"]];
  };

  test("builds a view of a new version beside the one that serves, with what was put aside", async () => {
    await meet();
    await runTo(5, loansBefore);
    await ensureViews(pool, loans.views);
    run(loans);
    await reached(5);
    expect([await branches(), await letters("loans")]).toEqual([
      [undefined, undefined, undefined],
      putAside,
    ]);
    expect(await swapView(pool, "loans")).toBe("done");
    expect([await branches(), await letters("loans")]).toEqual([["main", "north", "returned"], []]);
    expect(await letters("loans:previous")).toEqual(putAside);
  });

  test("takes what was put aside in order when it is told to try again", async () => {
    await meet();
    await runTo(5, loansBefore);
    run({ ...loans, views: loansBefore.views });
    expect(await retryDeadLetters(pool, {})).toBe(2);
    const waiting = async () => [...(await letters("loans")), ...(await letters("lending"))];
    const isDone = (line: string) => line.includes(" resolved ");
    await until("nothing waits", async () => (await waiting()).every(isDone));
    expect(await branches()).toEqual([undefined, "north", "returned"]);
    expect(await documents("lending")).toEqual({
      "2025-03-10": { day: "2025-03-10", lent: 2, returned: 1, overdue: 0 },
    });
  });

  test("puts them aside again when the view is built anew and still cannot read them", async () => {
    await meet();
    await runTo(5, loansBefore);
    await ensureViews(pool, loans.views);
    await runTo(5, { ...loansBefore, views: loans.views });
    expect([await letters("loans"), await letters("loans:building")]).toEqual([putAside, putAside]);
    expect(await swapView(pool, "loans")).toBe("done");
    expect(Object.keys(await documents("loans"))).toEqual(["a"]);
  });

  test("leaves what serves to the program before while it builds the next version", async () => {
    await ensureViews(pool, loans.views);
    const [before, next] = [run(loansBefore), run(loans)];
    const holds = (loop: typeof before, name: string) => () =>
      loop.report().some((report) => report.name === name);
    await until("the one before has what serves", holds(before, "loans"));
    await until("the one that follows builds", holds(next, "loans:building"));
    await meet();
    await reached(5);
    expect([await letters("loans"), await letters("loans:building")]).toEqual([putAside, []]);
    expect(await swapView(pool, "loans")).toBe("done");
    await until("the one before keeps the previous one", holds(before, "loans:previous"));
    await until("the one that follows has what serves", holds(next, "loans"));
    await appendAll(pool, appendLoan("a", 2, returned()));
    await reached(6);
    const { a, b } = await documents("loans");
    expect([a?.["status"], b?.["status"], holds(before, "loans")()]).toEqual([
      "returned",
      "returned",
      false,
    ]);
  });
});
