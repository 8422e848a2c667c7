import { afterEach, beforeEach, expect, test } from "bun:test";
import { preparePartitions } from "#store/partitions/register.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";
import { brokenIn } from "#test/support/verified.ts";

let store: TestStore;
beforeEach(async () => {
  store = await openStore();
});
afterEach(() => closeStore(store));

test("months follow each other when the log has stood still for longer than they were ahead", async () => {
  const { sql, pool, database } = store;
  await sql.unsafe(`do $$ declare name text; begin
    for name in select p.name from varve.event_partitions p loop
      execute format('drop table varve.%I', name);
    end loop;
    delete from varve.event_partitions;
    perform varve.ensure_partitions(now() - interval '7 months', 1);
  end $$`);
  await appendAll(pool, appendTo("a", 0));
  expect(await brokenIn(database.url)).toEqual({});
  expect((await preparePartitions(pool, 3)).length).toBe(3);
  expect(await brokenIn(database.url)).toEqual({});
  const [register] = await sql`select count(*)::integer as months from varve.event_partitions`;
  expect(register).toEqual({ months: 11 });
});
