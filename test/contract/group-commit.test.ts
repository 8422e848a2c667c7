import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type postgres from "postgres";

import { limits } from "#kernel/limits.ts";
import type { Append } from "#store/append.ts";
import { createGroupCommit } from "#store/group-commit.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, freshDatabase, type TestDatabase } from "#test/database.ts";
import { anEvent, appendTo } from "#test/support/appends.ts";
import { logFaults } from "#test/support/log-faults.ts";
import { openSql, openTestPool } from "#test/support/pools.ts";

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
let batches: string[][] = [];
beforeAll(async () => {
  database = await freshDatabase();
  const own = openTestPool(database.url);
  // Looks at what is sent; the pool itself does the sending.
  const query: Pool["query"] = (statement, parameters, ...rest) => {
    const sent = JSON.parse(String(parameters[0])) as readonly Append[];
    batches.push(sent.map(({ aggregateId }) => aggregateId));
    return own.query(statement, parameters, ...rest);
  };
  pool = { ...own, query };
  sql = openSql(database.url);
});
afterEach(async () => {
  batches = [];
  expect(await logFaults(sql)).toEqual([]);
  await assertNothingLeftOpen(database.url);
});
afterAll(async () => {
  await pool.close(1_000);
  await sql.end({ timeout: 1 });
  await database.drop();
});

/** Keeps every batch from being committed until it is let go. */
async function holdLog(): Promise<() => Promise<void>> {
  const session = await sql.reserve();
  await session`begin`;
  await session`select pg_advisory_xact_lock(hashtextextended('varve.log', 0))`;
  return async () => {
    await session`rollback`;
    session.release();
  };
}

const many = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, n) => appendTo(`${prefix}-${n}`, 0));

const codeOf = (outcome: Promise<{ outcome: string }>) =>
  outcome.then(
    (answer) => answer.outcome,
    (error: { code: string }) => error.code,
  );

describe("the group commit", () => {
  test("append goes alone and at once when nothing is under way", async () => {
    const groupCommit = createGroupCommit(pool);
    await groupCommit.append(appendTo("alone-0", 0));
    await groupCommit.append(appendTo("alone-1", 0));
    expect(batches).toEqual([["alone-0"], ["alone-1"]]);
    await groupCommit.drain();
  });

  test("appends go together when they were made in one turn", async () => {
    const groupCommit = createGroupCommit(pool);
    await Promise.all(many("turn", 100).map(groupCommit.append));
    expect(batches.map((batch) => batch.length)).toEqual([100]);
    await groupCommit.drain();
  });

  test("appends are collected while as many batches as may be are in flight", async () => {
    const groupCommit = createGroupCommit(pool);
    const release = await holdLog();
    const outcomes: Promise<unknown>[] = [];
    for (const append of many("collected", 50)) {
      outcomes.push(groupCommit.append(append));
      await Promise.resolve();
      await Promise.resolve();
    }
    expect(batches.length).toBe(limits.batchesInFlight);
    await release();
    await Promise.all(outcomes);
    expect(batches.flat()).toEqual(many("collected", 50).map(({ aggregateId }) => aggregateId));
    expect(batches.length).toBe(limits.batchesInFlight + 1);
    await groupCommit.drain();
  });

  test("appends of one stream go one after the other when they come together", async () => {
    const groupCommit = createGroupCommit(pool);
    const outcomes = await Promise.all(
      [0, 1, 2, null, 4].map((expected) => groupCommit.append(appendTo("same", expected))),
    );
    const expected = [1, 2, 3, 4, 5].map((version) => ({ outcome: "appended", version }));
    expect(outcomes).toMatchObject(expected);
    expect(batches).toEqual([1, 2, 3, 4, 5].map(() => ["same"]));
    await groupCommit.drain();
  });

  test("batch is cut when its count or its bytes would pass the limit", async () => {
    const groupCommit = createGroupCommit(pool);
    await Promise.all(many("count", limits.batchAppends + 3).map(groupCommit.append));
    const third = anEvent("x".repeat(limits.batchBytes / 3));
    const large = many("bytes", 7).map((append) => ({
      ...append,
      events: [{ ...third, id: crypto.randomUUID() }],
    }));
    await Promise.all(large.map(groupCommit.append));
    const sizes = batches.map((batch) => batch.length);
    expect(sizes).toEqual([limits.batchAppends, 3, 2, 2, 2, 1]);
    await groupCommit.drain();
  });

  test("append is refused when the queue is full, and the ones before it succeed", async () => {
    const groupCommit = createGroupCommit(pool);
    const outcomes = many("full", limits.queueAppends + 2).map((append) =>
      codeOf(groupCommit.append(append)),
    );
    const codes = await Promise.all(outcomes);
    expect(codes.slice(-3)).toEqual(["appended", "database-timeout", "database-timeout"]);
    expect(codes.filter((code) => code === "appended").length).toBe(limits.queueAppends);
    await groupCommit.drain();
  });

  test("drain waits for every append that was taken, and takes no more", async () => {
    const groupCommit = createGroupCommit(pool);
    const release = await holdLog();
    const taken = many("drained", 5).map((append) => codeOf(groupCommit.append(append)));
    const drained = groupCommit.drain().then(() => "drained");
    const late = await codeOf(groupCommit.append(appendTo("late", 0)));
    const first = await Promise.race([drained, Promise.resolve("waiting")]);
    await release();
    expect([late, first, await drained]).toEqual(["shutting-down", "waiting", "drained"]);
    expect(await Promise.all(taken)).toEqual(Array<string>(5).fill("appended"));
  });
});
