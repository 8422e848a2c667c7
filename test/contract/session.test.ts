import { expect, test } from "bun:test";

import { openTestPool } from "#test/support/pools.ts";
import { closeStore, openStore } from "#test/support/store.ts";

test("times come as ISO 8601 in UTC when the database has another zone and style of dates", async () => {
  const store = await openStore();
  const name = new URL(store.database.url).pathname.slice(1);
  await store.sql.unsafe(`alter database ${name} set timezone = 'Pacific/Kiritimati'`);
  await store.sql.unsafe(`alter database ${name} set datestyle = 'SQL, DMY'`);
  const pool = openTestPool(store.database.url);
  const text = "select timestamptz '2026-02-01 13:30:00.000001+14' as at";
  const rows = await pool.query({ name: "at", text }, []);
  expect([...rows]).toEqual([{ at: "2026-01-31T23:30:00.000001Z" }]);
  await pool.close(1_000);
  await closeStore(store);
});
