import { afterAll, beforeAll, expect, test } from "bun:test";

import { ensureView, type ViewTable } from "#store/documents.ts";
import { declareReactor, rebuildView, swapView } from "#store/subscriptions.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";
import { tableOf } from "#test/support/views.ts";

let store: TestStore;
beforeAll(async () => {
  store = await openStore();
});
afterAll(() => closeStore(store));

const declare = (name: string, changed: Partial<ViewTable> = {}): Promise<boolean> =>
  ensureView(store.pool, tableOf(name, { fingerprint: "f", ...changed }));

const startsOf = async (view: string): Promise<Record<string, number>> => {
  const rows = await store.sql<{ role: string; start: number }[]>`
    select v.role, s.start_position::int as start
      from varve.views v
      join varve.subscriptions s on s.name = v.name
      join varve.checkpoints c on c.subscription = v.name and c.position = s.start_position
     where v.view = ${view}`;
  return Object.fromEntries(rows.map(({ role, start }) => [role, start]));
};

test("next version of a view begins where the first did when that was the end of the log", async () => {
  await appendAll(store.pool, appendTo("a", 0, 3));
  await declare("late", { startPosition: null });
  await appendAll(store.pool, appendTo("a", 3, 4));
  await declare("late", { startPosition: null, version: 2 });
  expect(await startsOf("late")).toEqual({ serving: 3, building: 3 });
  // One that says where it begins, begins there.
  await declare("late", { startPosition: 0, version: 3 });
  expect(await startsOf("late")).toEqual({ serving: 3, building: 0 });

  const reactor = { partitions: 1, eventTypes: undefined, aggregateTypes: undefined };
  await declareReactor(store.pool, { name: "mail", ...reactor, startPosition: null });
  const [row] = await store.sql`
    select position::int from varve.checkpoints where subscription = 'mail'`;
  expect(row?.["position"]).toBe(7);
});

test("view with the longest name has a table of its own for every version and rebuild", async () => {
  const names = ["a", "b"].map((last) => `${"v".repeat(59)}${last}`);
  for (const name of names) await declare(name);
  for (const name of names) {
    for (let round = 0; round < 2; round += 1) {
      await rebuildView(store.pool, name, null);
      expect(await swapView(store.pool, name)).toBe("done");
    }
    await declare(name, { version: 1_000_000 });
  }
  const [row] = await store.sql`
    select count(distinct v.table_name)::int as named, count(*)::int as versions,
        bool_and(to_regclass(format('varve_views.%I', v.table_name)) is not null) as exist
      from varve.views v
     where v.view = any(${names})`;
  expect(row).toEqual({ named: 6, versions: 6, exist: true });
});
