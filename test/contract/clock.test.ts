import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type postgres from "postgres";

import { appendBatch } from "#store/append.ts";
import { createGroupCommit } from "#store/group-commit.ts";
import { closePartitions, preparePartitions } from "#store/partitions/register.ts";
import type { Pool } from "#store/pool.ts";
import { queries } from "#store/statements.ts";
import type { TestDatabase } from "#test/database.ts";
import { appendTo } from "#test/support/appends.ts";
import { logFaults } from "#test/support/log-faults.ts";
import { forgetMonth, settleMonth } from "#test/support/months.ts";
import { closeStore, openStore } from "#test/support/store.ts";

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
beforeEach(async () => {
  ({ database, pool, sql } = await openStore());
});
afterEach(async () => {
  expect(await logFaults(sql)).toEqual([]);
  await closeStore({ database, pool, sql });
});

const MINUTE_MS = 60_000;
/** What an application's clock says when the database's is so many minutes ahead of it. */
const behind = (minutes: number) => (): number => Date.now() - minutes * MINUTE_MS;
const right = behind(0);

const oldEvent = () => settleMonth(sql, { monthsAgo: 2, streams: ["old"] });

const codeOf = (outcome: Promise<{ readonly outcome: string }>): Promise<string> =>
  outcome.then(
    (answer) => answer.outcome,
    (error: { code: string; retryable: boolean }) => `${error.code}, ${error.retryable}`,
  );

/** How one append of a process with that clock ends. */
async function end(clock: () => number, ...asked: Parameters<typeof appendTo>): Promise<string> {
  const groupCommit = createGroupCommit(pool, { clock });
  const ended = await codeOf(groupCommit.append(appendTo(...asked)));
  await groupCommit.drain();
  return ended;
}

/** Everything that an append could leave. */
const left = async () => {
  const [row] = await sql`
    select (select count(*)::int from varve.events) as events,
           (select count(*)::int from varve.streams) as streams,
           (select count(*)::int from varve.idempotency) as keys,
           (select json_agg(p order by p.name)::text from varve.event_partitions p) as register,
           (select count(*)::int from pg_tables where tablename like 'events_2%') as partitions`;
  return { ...row };
};

const STOPPED = "clock-ahead, true";

describe("a database clock that is ahead", () => {
  test("appends stop at one hour past the last event and the application when both are", async () => {
    await oldEvent();
    const before = await left();
    expect([await end(behind(61), "new", 0), await end(behind(100_000), "old", 1)]).toEqual([
      STOPPED,
      STOPPED,
    ]);
    expect(await left()).toEqual(before);
    expect(await end(behind(59), "new", 0)).toBe("appended");
  });

  test("appends go on when the last event is as late as the clock", async () => {
    expect(await end(right, "first", 0)).toBe("appended");
    expect(await end(behind(100_000), "second", 0)).toBe("appended");
  });

  test("the application decides alone when the log is empty", async () => {
    expect([await end(behind(61), "first", 0), await end(behind(59), "first", 0)]).toEqual([
      STOPPED,
      "appended",
    ]);
  });

  test("no partition is made when the month of the wrong clock has none", async () => {
    await oldEvent();
    await forgetMonth(sql, 0);
    const before = await left();
    expect(await end(behind(61), "new", 0)).toBe(STOPPED);
    expect(await left()).toEqual(before);
    const made = pool.query(queries.ensureNextPartition, [new Date(behind(61)()).toISOString()]);
    expect(made).rejects.toMatchObject({ code: "clock-ahead" });
    expect(await left()).toEqual(before);
    expect(await end(right, "new", 0)).toBe("appended");
  });

  test("nothing of a batch is stored, keys neither, when the clock is not believed", async () => {
    await oldEvent();
    const before = await left();
    const groupCommit = createGroupCommit(pool, { clock: behind(61) });
    const ends = await Promise.all(
      Array.from({ length: 50 }, (_, n) => {
        const idempotency = { principal: "key:a", key: `k-${n}`, fingerprint: "f" };
        return codeOf(groupCommit.append({ ...appendTo(`many-${n}`, null), idempotency }));
      }),
    );
    await groupCommit.drain();
    expect(new Set(ends)).toEqual(new Set([STOPPED]));
    expect(await left()).toEqual(before);
  });

  test("what was stored before is still recognised when the clock is not believed", async () => {
    await settleMonth(sql, { monthsAgo: 2, streams: ["known", "known", "other"] });
    const rows = await sql<{ id: string }[]>`
      select event_id as id from varve.events where aggregate_id = 'known' order by version`;
    await sql`insert into varve.idempotency
      values ('key:a', 'k', 'f', 'Thing', 'other', 1, 1)`;
    const known = appendTo("known", 0, 2);
    const repeated = {
      ...known,
      events: known.events.map((event, index) => ({ ...event, id: rows[index]?.id ?? "" })),
    };
    const idempotency = { principal: "key:a", key: "k", fingerprint: "f" };
    const asked = [repeated, appendTo("other", 0), { ...appendTo("keyed", 0), idempotency }];
    const send = (...more: readonly unknown[]) =>
      appendBatch(pool, JSON.stringify([...asked, ...more]), behind(61));
    const outcomes = (await send()).map(({ outcome }) => outcome);
    expect(outcomes).toEqual(["already", "conflict", "replayed"]);
    expect(send(appendTo("new", 0))).rejects.toMatchObject({ code: "clock-ahead" });
  });

  test("appends go on by themselves when the clock is right again", async () => {
    await oldEvent();
    let minutes = 90;
    const groupCommit = createGroupCommit(pool, { clock: () => behind(minutes)() });
    expect(await codeOf(groupCommit.append(appendTo("waiting", 0)))).toBe(STOPPED);
    minutes = 0;
    expect(await codeOf(groupCommit.append(appendTo("waiting", 0)))).toBe("appended");
    await groupCommit.drain();
  });

  test("no month is made or closed in advance when the clock is not believed", async () => {
    await oldEvent();
    const before = await left();
    const ends = [
      await codeOf(preparePartitions(pool, 3, behind(61)).then(() => ({ outcome: "made" }))),
      await codeOf(closePartitions(pool, 0, behind(61)).then(() => ({ outcome: "closed" }))),
    ];
    expect(ends).toEqual([STOPPED, STOPPED]);
    expect(await left()).toEqual(before);
    expect([
      (await preparePartitions(pool, 4, right)).length,
      (await closePartitions(pool, 0, right)).length,
    ]).toEqual([1, 1]);
    // From here on the register says so before there is an event after it.
    await end(right, "after", 0);
  });

  test("the clock is not compared when the application does not tell its own", async () => {
    await oldEvent();
    const batch = JSON.stringify([appendTo("alone", 0)]);
    const rows = await sql`select outcome from varve.append_events(${batch}::text::jsonb)`;
    expect([...rows]).toEqual([{ outcome: "appended" }]);
  });
});

describe("is_clock_ahead", () => {
  const at = "timestamptz '2026-03-31 23:30:00+00'";
  // Minutes that the clock is past the last event and past the application; null for unknown.
  const table = [
    [61, 61, true],
    [60, 61, false],
    [61, 60, false],
    [-5, 61, false],
    [61, -5, false],
    [null, 61, true],
    [null, 60, false],
    [61, null, false],
    [null, null, false],
  ] as const;
  for (const [last, app, expected] of table) {
    test(`it is ${expected} when the last event is ${last} and the application ${app} minutes back`, async () => {
      const back = (minutes: number | null): string =>
        minutes === null ? "null" : `${at} - interval '${minutes} minutes'`;
      const rows = await sql.unsafe<{ ahead: boolean }[]>(
        `select varve.is_clock_ahead(${at}, ${back(last)}, ${back(app)}) as ahead`,
      );
      expect([...rows]).toEqual([{ ahead: expected }]);
    });
  }
});
