import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import type postgres from "postgres";

import type { Append } from "#store/append.ts";
import { createGroupCommit } from "#store/group-commit.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, type TestDatabase } from "#test/database.ts";
import { anEvent, appendTo } from "#test/support/appends.ts";
import { logFaults } from "#test/support/log-faults.ts";
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

const COUNT = 200;

/** Each stands for a value that the edge refuses and that got past it. */
const poisons: Readonly<Record<string, Partial<Append["events"][number]>>> = {
  "a NUL in its payload": { payload: { text: "a\0b" } },
  "a lone surrogate in its payload": { payload: { text: "\ud800" } },
  "an id that is no UUID": { id: "none" },
  "a time that does not exist": { timestamp: "2026-02-30T00:00:00Z" },
  "no type": { type: undefined as never },
};

for (const [index, [what, changed]] of Object.entries(poisons).entries()) {
  test(`199 appends succeed and one is refused when that one has ${what}`, async () => {
    const groupCommit = createGroupCommit(pool);
    const poisonAt = 37 * index + 1;
    const outcomes = await Promise.all(
      Array.from({ length: COUNT }, (_, n) => {
        const append = appendTo(`poison-${index}-${n}`, 0);
        const events = n === poisonAt ? [{ ...anEvent(), ...changed }] : append.events;
        return groupCommit.append({ ...append, events }).then(
          ({ outcome }): string => outcome,
          (error: { code: string }) => error.code,
        );
      }),
    );
    const expected = outcomes.map((_, n) => (n === poisonAt ? "invalid-data" : "appended"));
    expect(outcomes).toEqual(expected);
    const [row] = await sql<{ streams: number }[]>`
      select count(*)::int as streams from varve.streams
       where aggregate_id like ${`poison-${index}-%`}`;
    expect(row?.streams).toBe(COUNT - 1);
    await groupCommit.drain();
  });
}

test("every append is refused on its own when all of them are poison", async () => {
  const groupCommit = createGroupCommit(pool);
  const codes = await Promise.all(
    Array.from({ length: 20 }, (_, n) => {
      const append = { ...appendTo(`all-${n}`, 0), events: [anEvent({ text: "\0" })] };
      return groupCommit.append(append).then(
        ({ outcome }): string => outcome,
        (error: { code: string }) => error.code,
      );
    }),
  );
  expect(codes).toEqual(Array<string>(20).fill("invalid-data"));
  await groupCommit.drain();
});
