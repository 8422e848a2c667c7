import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type postgres from "postgres";

import { limits } from "#kernel/limits.ts";
import type { AppendOutcome } from "#store/append.ts";
import type { Pool } from "#store/pool.ts";
import { readStream } from "#store/events.ts";
import { assertNothingLeftOpen, type TestDatabase } from "#test/database.ts";
import { anEvent, appendAll, appendTo } from "#test/support/appends.ts";
import { logFaults } from "#test/support/log-faults.ts";
import { openTestPool } from "#test/support/pools.ts";
import { closeStore, openStore } from "#test/support/store.ts";

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
beforeAll(async () => {
  ({ database, pool, sql } = await openStore());
});
afterEach(async () => {
  expect(await logFaults(sql)).toEqual([]);
  await assertNothingLeftOpen(database.url);
});
afterAll(() => closeStore({ database, pool, sql }));

const head = async (): Promise<number> => {
  const [row] = await sql<{ head: number }[]>`select position::int as head from varve.log_head()`;
  return row?.head ?? 0;
};

/** Without the time of the database, and positions counted from `from`. */
const plain = (outcomes: readonly AppendOutcome[], from: number) =>
  outcomes.map((outcome) => {
    if (outcome.outcome === "replayed") return ["replayed"];
    if (outcome.outcome === "conflict") return ["conflict", outcome.version];
    return [outcome.outcome, outcome.version, outcome.position - from];
  });

describe("one append", () => {
  // A stream at this version (0 for none), what is expected of it, and how two events fare.
  const table = [
    { actual: 0, expected: 0, outcome: ["appended", 2, 1] },
    { actual: 0, expected: null, outcome: ["appended", 2, 1] },
    { actual: 0, expected: 1, outcome: ["conflict", 0] },
    { actual: 3, expected: 3, outcome: ["appended", 5, 1] },
    { actual: 3, expected: null, outcome: ["appended", 5, 1] },
    { actual: 3, expected: 2, outcome: ["conflict", 3] },
    { actual: 3, expected: 4, outcome: ["conflict", 3] },
    { actual: 3, expected: 0, outcome: ["conflict", 3] },
  ] as const;
  for (const [index, { actual, expected, outcome }] of table.entries()) {
    const subject = `append is ${outcome[0]} when ${expected ?? "any"} is expected at ${actual}`;
    test(subject, async () => {
      const stream = `one-${index}`;
      if (actual > 0) await appendAll(pool, appendTo(stream, 0, actual));
      const from = await head();
      const answers = await appendAll(pool, appendTo(stream, expected, 2));
      expect(plain(answers, from)).toEqual([[...outcome]]);
      expect(await head()).toBe(outcome[0] === "appended" ? from + 2 : from);
    });
  }

  test("append gives the first answer when it is repeated, also after others", async () => {
    const asks = [appendTo("again-a", 0, 2), appendTo("again-b", null, 1), appendTo("again-c", 0)];
    await appendAll(pool, appendTo("again-c", 0));
    const first = await appendAll(pool, ...asks);
    const [a, b, c] = first;
    expect([a?.outcome, b?.outcome, c]).toEqual([
      "appended",
      "appended",
      { outcome: "conflict", version: 1 },
    ]);
    await appendAll(pool, appendTo("again-a", 2), appendTo("again-b", null, 2));
    const from = await head();
    const already = [a, b].map((answer) => ({ ...answer, outcome: "already" }) as AppendOutcome);
    expect(await appendAll(pool, ...asks)).toEqual([...already, ...first.slice(2)]);
    expect(await head()).toBe(from);
  });

  test("append is a conflict when it is the first that its connection has seen", async () => {
    await appendAll(pool, appendTo("first-seen", 0));
    const fresh = openTestPool(database.url);
    const answers = await appendAll(fresh, appendTo("first-seen", 0));
    await fresh.close(1_000);
    expect(answers).toEqual([{ outcome: "conflict", version: 1 }]);
  });

  test("append is a conflict when only some of its events are known", async () => {
    const ask = appendTo("partly", 0, 2);
    await appendAll(pool, ask);
    const mixed = { ...ask, events: [...ask.events.slice(0, 1), anEvent()] };
    expect(await appendAll(pool, mixed)).toEqual([{ outcome: "conflict", version: 2 }]);
  });

  test("append stores every field when it is read again", async () => {
    const key = "0198c0de-0000-4000-8000-000000000001";
    const event = {
      ...anEvent({ text: "ü ' \" \\ $1 \u{1F9E1}", deep: [{ none: null }], number: 2 ** 53 - 1 }),
      schemaVersion: 3,
      metadata: { requestId: "r-2" },
      subjectKeys: [key],
    };
    const ask = {
      aggregateType: "Thing",
      aggregateId: "whole",
      expectedVersion: 0,
      events: [event],
    };
    const [answer] = await appendAll(pool, ask);
    if (answer?.outcome !== "appended") throw new Error("it was not appended");
    const range = { ...ask, fromVersion: 1, toVersion: 9, limit: 10 };
    const stored = {
      position: answer.position,
      createdAt: answer.createdAt,
      eventId: event.id,
      aggregateType: "Thing",
      aggregateId: "whole",
      version: 1,
      type: "Happened",
      schemaVersion: 3,
      timestamp: event.timestamp,
      payload: event.payload,
      metadata: { requestId: "r-2" },
    };
    expect(await readStream(pool, range)).toEqual([stored]);
    const keys = await sql`select subject_keys::text as keys from varve.events
      where position = ${answer.position}`;
    expect([...keys]).toEqual([{ keys: `{${key}}` }]);
  });
});

describe("a batch", () => {
  test("batch answers each append on its own when they fare differently", async () => {
    await appendAll(pool, appendTo("mix-a", 0, 2), appendTo("mix-b", 0, 1));
    const repeated = appendTo("mix-c", 0, 2);
    await appendAll(pool, repeated);
    const from = await head();
    const answers = await appendAll(
      pool,
      appendTo("mix-z", 0, 3),
      appendTo("mix-a", 1),
      repeated,
      appendTo("mix-b", null, 2),
      appendTo("mix-y", 7),
      appendTo("mix-d", null),
    );
    expect(plain(answers, from)).toEqual([
      ["appended", 3, 1],
      ["conflict", 2],
      ["already", 2, -1],
      ["appended", 3, 4],
      ["conflict", 0],
      ["appended", 1, 6],
    ]);
    expect(await head()).toBe(from + 6);
  });

  test("batch is as large as a group commit may make it when it is sent", async () => {
    const from = await head();
    const asks = Array.from({ length: limits.batchAppends }, (_, n) => appendTo(`large-${n}`, 0));
    const expected = asks.map((_, n) => ["appended", 1, n + 1]);
    expect(plain(await appendAll(pool, ...asks), from)).toEqual(expected);
  });

  const refused = async (batch: string): Promise<unknown> => {
    const from = await head();
    const code = await sql`select * from varve.append_events(${batch}::text::jsonb)`.then(
      () => "appended",
      (error: { code: string }) => error.code,
    );
    return [code, (await head()) - from];
  };

  test("batch is refused when a stream comes twice in it", async () => {
    const twice = [appendTo("twice", 0), appendTo("other", 0), appendTo("twice", 1)];
    expect(await refused(JSON.stringify(twice))).toEqual(["VA003", 0]);
  });

  test("batch is refused when there is no append in it, or an append without events", async () => {
    const { events: _, ...eventless } = appendTo("without", 0);
    expect([
      await refused("[]"),
      await refused(JSON.stringify([appendTo("empty", 0, 0)])),
      await refused(JSON.stringify([appendTo("full", 0), eventless])),
    ]).toEqual([
      ["VA003", 0],
      ["VA003", 0],
      ["VA003", 0],
    ]);
  });

  test("batch is refused when the snapshot is older than the log lock", async () => {
    const batch = JSON.stringify([appendTo("isolated", 0)]);
    for (const isolation of ["repeatable read", "serializable"]) {
      const outcome = await sql
        .begin(`isolation level ${isolation}`, (tx) => [
          tx`select * from varve.append_events(${batch}::text::jsonb)`,
        ])
        .then(
          () => "appended",
          (error: { code: string }) => error.code,
        );
      expect(outcome).toBe("VA002");
    }
  });
});
