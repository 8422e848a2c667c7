import { afterAll, beforeAll, expect, test } from "bun:test";
import type postgres from "postgres";

import { createGroupCommit } from "#store/group-commit.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, freshDatabase, type TestDatabase } from "#test/database.ts";
import { appendTo } from "#test/support/appends.ts";
import { logFaults } from "#test/support/log-faults.ts";
import { cutRequest } from "#test/support/lost-replies.ts";
import { settleMonth } from "#test/support/months.ts";
import { openProxy, type Proxy } from "#test/support/proxy.ts";
import { openSql, openTestPool } from "#test/support/pools.ts";
import { until } from "#test/until.ts";

let database: TestDatabase;
let proxy: Proxy;
let pool: Pool;
let sql: postgres.Sql;
beforeAll(async () => {
  database = await freshDatabase();
  proxy = await openProxy(database.url);
  // Without named statements each call carries its text, by which the proxy knows it.
  pool = openTestPool(proxy.url, { prepare: false });
  sql = openSql(database.url);
  await settleMonth(sql, { monthsAgo: 2, streams: ["old"] });
});
afterAll(async () => {
  await pool.close(1_000);
  await proxy.close();
  await sql.end({ timeout: 1 });
  await assertNothingLeftOpen(database.url);
  await database.drop();
});

const behindMs = 7_200_000;

test("append is unknown and not refused when the clock stops it after its reply was lost", async () => {
  const groupCommit = createGroupCommit(pool, {
    clock: () => Date.now() - behindMs,
    lostReplyMs: 600,
  });
  const cuts = cutRequest(proxy);
  const append = appendTo("asked", 0);
  const code = (error: { code: string }): string => error.code;
  expect(await groupCommit.append(append).then(() => "stored", code)).toBe("outcome-unknown");
  expect(cuts()).toBe(1);
  // Nothing was lost this time.
  expect(await groupCommit.append(append).then(() => "stored", code)).toBe("clock-ahead");
  await groupCommit.drain();
});

test("append is stored when the clock is right again while its reply is asked for", async () => {
  let asked = 0;
  const groupCommit = createGroupCommit(pool, {
    clock: () => {
      asked += 1;
      return Date.now() - (asked > 3 ? 0 : behindMs);
    },
  });
  cutRequest(proxy);
  const outcome = groupCommit.append(appendTo("waited", 0));
  await until("it is asked again", () => asked > 3);
  expect((await outcome).outcome).toBe("appended");
  await groupCommit.drain();
  expect(await logFaults(sql)).toEqual([]);
});
