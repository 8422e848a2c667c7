import { afterAll, beforeAll, expect, test } from "bun:test";
import type postgres from "postgres";

import type { AnyAggregate } from "#domain/decider.ts";
import { eventTypesOf } from "#domain/upcast.ts";
import { createGroupCommit } from "#store/group-commit.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, type TestDatabase } from "#test/database.ts";
import { loans } from "#test/e2e/fixture/loans/loan.ts";
import { appendAll } from "#test/support/appends.ts";
import { openTestKeyring } from "#test/support/keyrings.ts";
import { appendLoan, firstLoan, secondLoan, storedAs } from "#test/support/loans.ts";
import { ensureViews, startLoop } from "#test/support/loops.ts";
import { openHandler } from "#test/support/orders.ts";
import { openTestStates } from "#test/support/states.ts";
import { closeStore, openStore } from "#test/support/store.ts";
import { until } from "#test/until.ts";

// An event that has changed: its first version is in the log, the program knows the second.

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
beforeAll(async () => {
  ({ database, pool, sql } = await openStore());
  await ensureViews(pool, loans.views);
  await appendAll(
    pool,
    appendLoan("old", 0, storedAs(1, "LoanStarted", firstLoan)),
    appendLoan("new", 0, storedAs(2, "LoanStarted", secondLoan)),
  );
});
afterAll(async () => {
  await assertNothingLeftOpen(database.url);
  await closeStore({ database, pool, sql });
});

test("streams fold to today's state when they began with an earlier version", async () => {
  const states = await Promise.all(
    ["old", "new"].map((aggregateId) =>
      openTestStates(pool).load({ aggregate: loans, aggregateId }),
    ),
  );
  const common = { status: "lent", renewals: 0 };
  expect(states.map(({ state }) => state)).toEqual([
    { ...firstLoan, ...common, branch: "main" },
    { ...secondLoan, ...common },
  ]);
});

test("commands are decided, views built and the log left as it was, when versions are mixed", async () => {
  const before = await sql`select * from varve.events order by position`;
  const keyring = await openTestKeyring(pool);
  const groupCommit = createGroupCommit(pool);
  const { handle } = openHandler(pool, keyring, groupCommit);
  for (const aggregateId of ["old", "new"]) {
    const request = { aggregate: loans, aggregateId, command: "return", body: {}, metadata: {} };
    const outcome = await handle({ ...request, at: "2025-04-01T00:00:00.000000Z" });
    expect(outcome).toMatchObject({ kind: "accepted", version: 2 });
  }
  await groupCommit.drain();
  const loop = startLoop({ pool, views: loans.views, eventTypes: eventTypesOf([loans]) });
  const all = async () =>
    sql<{ key: string; document: Record<string, unknown> }[]>`
      select key, document from varve_views.loans where document->>'status' = 'returned' order by 1`;
  await until("both are returned", async () => (await all()).length === 2);
  await loop.stop();
  expect(
    (await all()).map(({ key, document }) => [key, document["branch"], document["overdue"]]),
  ).toEqual([
    ["new", "north", true],
    ["old", "main", true],
  ]);
  const after = await sql`select * from varve.events where position <= 2 order by position`;
  expect([...after]).toEqual([...before]);
  expect([...(await sql`select from varve.dead_letters`)]).toEqual([]);
});

test("an event is put aside as what it is when its upcaster throws or its stream is another's", async () => {
  const broken: AnyAggregate = {
    ...loans,
    events: {
      ...loans.events,
      LoanStarted: {
        ...loans.events["LoanStarted"],
        upcasters: {
          1: () => {
            throw new TypeError("undefined is not an object");
          },
        },
      } as never,
    },
    views: loans.views.map((view) => ({ ...view, name: `${view.name}-again` })),
  };
  const stranger = {
    ...appendLoan("x", 0, storedAs(2, "LoanStarted", secondLoan)),
    aggregateType: "Lease",
  };
  await appendAll(pool, stranger);
  await ensureViews(pool, broken.views);
  const loop = startLoop({ pool, views: broken.views, eventTypes: eventTypesOf([broken]) });
  const letters = () => sql`
    select kind, key, error_code as code from varve.dead_letters
     where subscription = 'loans-again' order by position`;
  await until("three wait", async () => (await letters()).length === 3);
  await loop.stop();
  expect([...(await letters())]).toEqual([
    { kind: "stream", key: "Loan-old", code: "upcast-failed" },
    { kind: "document", key: "old", code: "behind-dead-letter" },
    { kind: "stream", key: "Lease-x", code: "schema-behind" },
  ]);
});
