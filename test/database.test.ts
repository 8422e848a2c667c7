import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import postgres from "postgres";

import { assertNothingLeftOpen, freshDatabase } from "#test/database.ts";
import type { TestDatabase } from "#test/database.ts";

describe("freshDatabase", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await freshDatabase();
  });
  afterAll(() => database.drop());

  test("clone has the schema when it is made from the template", async () => {
    const sql = postgres(database.url, { max: 1 });
    const rows = await sql`select nspname from pg_namespace where nspname = 'varve'`;
    await sql.end();
    expect([...rows]).toEqual([{ nspname: "varve" }]);
  });

  test("clone is not seen when another one is asked for", async () => {
    const other = await freshDatabase("empty");
    expect(other.url).not.toBe(database.url);
    await other.drop();
  });
});

describe("assertNothingLeftOpen", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await freshDatabase("empty");
  });
  afterAll(() => database.drop());

  const leave = async (statement: string): Promise<string> => {
    const sql = postgres(database.url, { max: 1 });
    const session = await sql.reserve();
    await session.unsafe(statement);
    const outcome = await assertNothingLeftOpen(database.url).then(
      () => "clean",
      (error: Error) => error.message.replace(/session \d+/, "session n"),
    );
    session.release();
    await sql.end({ timeout: 1 });
    return outcome;
  };

  test("check passes when the session is outside a transaction", async () => {
    expect(await leave("select 1")).toBe("clean");
  });

  test("check fails when a transaction is left open", async () => {
    const message = "left open after the test:\nsession n: idle in transaction: begin";
    expect(await leave("begin")).toBe(message);
  });

  test("check fails when an advisory lock is left", async () => {
    const message = "left open after the test:\nsession n: advisory lock 0,42";
    expect(await leave("select pg_advisory_lock(42)")).toBe(message);
  });
});
