// The runbook's ways to take a view or a reactor away, run as they stand there.
import { readFileSync } from "node:fs";

import { afterEach, beforeEach, expect, test } from "bun:test";

import { uuidv7 } from "#kernel/ids.ts";
import { createHealth } from "#query/health.ts";
import { applyProjection, changeText, recordCrash } from "#store/checkpoints.ts";
import { ensureView } from "#store/documents.ts";
import { declareReactor } from "#store/subscriptions.ts";
import { blocksOf } from "#test/architecture/readme.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { allViews, ensureViews } from "#test/support/loops.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";
import { brokenIn } from "#test/support/verified.ts";
import { leaseViews, letterAt, stepOf, tableOf } from "#test/support/views.ts";

const runbook = readFileSync("docs/runbook.md", "utf8");
const [takeAway = "", forget = "", ...otherSql] = blocksOf(runbook, "sql");

const parcels = tableOf("parcels", { version: 2, filterFields: ["kind"] });

const crash = { position: 9, attemptsMax: 3, delayMs: 10 };

let store: TestStore;
beforeEach(async () => {
  store = await openStore();
  await ensureViews(store.pool, allViews);
  await leaseViews(store.pool, uuidv7(), allViews);
  await ensureView(store.pool, parcels);
});
afterEach(() => closeStore(store));

async function health() {
  const worker = { state: "running", silentMs: 0, crashes: 0 } as const;
  const view = () => ({ startedAtMs: 0, draining: false, worker });
  const { status, subscriptions } = await createHealth(store.pool, view, Date.now).report();
  const unwell = subscriptions.filter((each) => each.status !== "healthy");
  return { status, unwell: unwell.map(({ name, state }) => [name, state]) };
}

/** Whatever of the view the database holds. */
async function remains() {
  const [row] = await store.sql`
    select (select count(*)::int from varve.views where view = 'parcels') as views,
      (select count(*)::int from varve.subscriptions where name like 'parcels%') as subscriptions,
      (select count(*)::int from varve.checkpoints where subscription like 'parcels%')
        as checkpoints,
      (select count(*)::int from varve.leases where subscription like 'parcels%') as leases,
      (select count(*)::int from varve.dead_letters where subscription like 'parcels%') as letters,
      (select count(*)::int from varve.suspects where subscription like 'parcels%') as suspects,
      (select count(*)::int from pg_class
        where relnamespace = 'varve_views'::regnamespace and relname like 'parcels%') as relations`;
  return { ...row };
}

test("view that nobody declares is gone without a trace when the runbook's statement has run", async () => {
  await appendAll(store.pool, appendTo("a", 0));
  await ensureView(store.pool, tableOf("parcels", { version: 3 }));
  const [lease] = await leaseViews(store.pool, uuidv7(), [parcels]);
  const taken = { epoch: lease?.epoch ?? 0, toPosition: 1, letters: [letterAt(1)] };
  const changes = [{ key: "p-1", document: { kind: "small" }, firstPosition: 1, position: 1 }];
  expect(await applyProjection(store.pool, stepOf("parcels", taken), changes.map(changeText))).toBe(
    true,
  );
  await recordCrash(store.pool, [{ ...crash, subscription: "parcels" }]);
  await recordCrash(store.pool, [{ ...crash, subscription: "parcels:building" }]);
  await store.sql`update varve.leases set expires_at = now() where subscription = 'parcels'`;
  expect(await health()).toEqual({ status: "unhealthy", unwell: [["parcels", "stopped"]] });

  expect(otherSql).toEqual([]);
  await store.sql.unsafe(takeAway.replace("'lending'", "'parcels'"));

  const nothing = {
    views: 0,
    subscriptions: 0,
    checkpoints: 0,
    leases: 0,
    letters: 0,
    suspects: 0,
    relations: 0,
  };
  expect(await remains()).toEqual(nothing);
  expect(await health()).toEqual({ status: "healthy", unwell: [] });
  expect(await brokenIn(store.database.url)).toEqual({});
  expect(await ensureView(store.pool, parcels)).toBe(true);
});

test("reactor that nobody runs is gone when the runbook's other statement has run", async () => {
  const shelf = { name: "shelf", partitions: 2, eventTypes: ["Happened"] };
  await declareReactor(store.pool, { ...shelf, aggregateTypes: undefined, startPosition: 0 });
  await store.sql`update varve.leases set expires_at = now() where subscription = 'parcels'`;
  await store.sql.unsafe(takeAway.replace("'lending'", "'parcels'"));
  const stopped = ["shelf", "stopped"];
  expect(await health()).toEqual({ status: "unhealthy", unwell: [stopped, stopped] });
  await store.sql.unsafe(forget);
  expect(await health()).toEqual({ status: "healthy", unwell: [] });
  expect(await brokenIn(store.database.url)).toEqual({});
});

test("nothing is taken away when the name in the runbook's statement is no view's", async () => {
  const before = await remains();
  const refused = await store.sql.unsafe(takeAway).catch(({ code }: { code: string }) => code);
  expect(refused).toBe("P0002");
  expect(await remains()).toEqual(before);
});
