import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import postgres from "postgres";

import { assertNothingLeftOpen, freshDatabase, type TestDatabase } from "#test/database.ts";
import { appendTo } from "#test/support/appends.ts";
import { logFaults } from "#test/support/log-faults.ts";
import { openSql } from "#test/support/pools.ts";

let database: TestDatabase;
let sql: postgres.Sql;
beforeAll(async () => {
  database = await freshDatabase();
  sql = openSql(database.url);
});
afterEach(async () => {
  expect(await logFaults(sql)).toEqual([]);
  await assertNothingLeftOpen(database.url);
});
afterAll(async () => {
  await sql.end({ timeout: 1 });
  await database.drop();
});

/** Appends to a few of five streams that all connections share, and whether they are kept. */
const transaction = fc.record({
  kept: fc.boolean(),
  appends: fc.uniqueArray(
    fc.tuple(fc.constantFrom("a", "b", "c", "d", "e"), fc.integer({ min: 1, max: 3 })),
    {
      selector: ([id]) => id,
      minLength: 1,
      maxLength: 3,
    },
  ),
});

test("positions stay dense when eight connections append and some roll back", async () => {
  const counts = await Promise.all(
    Array.from({ length: 8 }, async (_, worker) => {
      const connection = openSql(database.url);
      const session = await connection.reserve();
      let committed = 0;
      for (const { kept, appends } of fc.sample(transaction, { numRuns: 40, seed: worker })) {
        const batch = JSON.stringify(appends.map(([id, count]) => appendTo(id, null, count)));
        await session`begin`;
        const rows = await session<{ outcome: string }[]>`
          select outcome from varve.append_events(${batch}::text::jsonb) order by append`;
        await session.unsafe(kept ? "commit" : "rollback");
        const won = appends.filter((_append, index) => rows[index]?.outcome === "appended");
        if (kept) committed += won.reduce((sum, [, count]) => sum + count, 0);
      }
      session.release();
      await connection.end({ timeout: 1 });
      return committed;
    }),
  );
  const [row] = await sql<{ count: number; max: number }[]>`
    select count(*)::int as count, max(position)::int as max from varve.events`;
  const total = counts.reduce((sum, count) => sum + count, 0);
  expect({ ...row }).toEqual({ count: total, max: total });
  expect(total).toBeGreaterThan(300);
});

test("append is durable when its session was set to trade that away", async () => {
  const settings: unknown[] = [];
  for (const setting of ["off", "local", "remote_write", "on"]) {
    await sql.begin(async (tx) => {
      await tx.unsafe(`set local synchronous_commit = ${setting}`);
      const batch = JSON.stringify([appendTo("durable", null)]);
      await tx`select varve.append_events(${batch}::text::jsonb)`;
      settings.push([setting, (await tx`show synchronous_commit`)[0]?.["synchronous_commit"]]);
    });
  }
  expect(settings).toEqual([
    ["off", "on"],
    ["local", "on"],
    ["remote_write", "remote_write"],
    ["on", "on"],
  ]);
});

test("session gets its own setting back when the append is over", async () => {
  const lax = postgres(database.url, {
    max: 1,
    ssl: false,
    connection: { synchronous_commit: "off" },
  });
  const batch = JSON.stringify([appendTo("lax", 0)]);
  await lax`select varve.append_events(${batch}::text::jsonb)`;
  expect([...(await lax`show synchronous_commit`)]).toEqual([{ synchronous_commit: "off" }]);
  await lax.end({ timeout: 1 });
});

test("append waits five seconds at most when the log lock is not given", async () => {
  const holder = openSql(database.url);
  const session = await holder.reserve();
  await session`begin`;
  await session`select pg_advisory_xact_lock(hashtextextended('varve.log', 0))`;
  const startMs = performance.now();
  const batch = JSON.stringify([appendTo("locked", 0)]);
  const code = await sql`select varve.append_events(${batch}::text::jsonb)`.then(
    () => "appended",
    (error: { code: string }) => error.code,
  );
  const waitedMs = performance.now() - startMs;
  await session`rollback`;
  session.release();
  await holder.end({ timeout: 1 });
  expect(code).toBe("55P03");
  expect([waitedMs > 4_500, waitedMs < 7_000]).toEqual([true, true]);
});
