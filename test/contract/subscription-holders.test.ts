import { afterEach, beforeEach, expect, test } from "bun:test";

import { uuidv7 } from "#kernel/ids.ts";
import { createHealth, type ProcessView } from "#query/health.ts";
import { acquireLeases, releaseLeases } from "#store/leases.ts";
import { declareReactor, pauseSubscription, resumeSubscription } from "#store/subscriptions.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { plantSubscriptions, runningProcess } from "#test/support/health.ts";
import { settleMonth } from "#test/support/months.ts";
import { openTestPool } from "#test/support/pools.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";
import { until } from "#test/until.ts";

const HEAD = 20;

let store: TestStore;
beforeEach(async () => {
  store = await openStore();
  const streams = Array.from({ length: HEAD }, (_, n) => `s-${n}`);
  await settleMonth(store.sql, { monthsAgo: 1, streams });
});
afterEach(() => closeStore(store));

const health = (process: ProcessView = runningProcess) =>
  createHealth(store.pool, () => process, Date.now);

test("what a holder reports is told by every instance when it renews its lease", async () => {
  await declareReactor(store.pool, {
    name: "mail",
    partitions: 1,
    eventTypes: undefined,
    aggregateTypes: undefined,
    startPosition: HEAD,
  });
  const owner = uuidv7();
  const renew = (report: object) =>
    acquireLeases(store.pool, {
      owner,
      runnable: [
        { name: "mail", kind: "reactor", eventTypes: undefined, aggregateTypes: undefined },
      ],
      durationMs: 60_000,
      reports: [{ subscription: "mail", partition: 0, epoch: 1, ...report }],
    });
  const told = async () => {
    const [one] = (await health().report()).subscriptions;
    return [one?.state, one?.eventsFailed, one?.lastError];
  };
  const said = [await told()];
  await renew({ state: "live" });
  said.push(await told());
  await renew({ state: "error", eventsFailed: 3, lastError: "handler-failed" });
  said.push(await told());
  await pauseSubscription(store.pool, "mail", "it is looked into");
  said.push(await told());
  await resumeSubscription(store.pool, "mail");
  await releaseLeases(store.pool, owner);
  said.push(await told());
  expect(said).toEqual([
    ["stopped", 0, null],
    ["live", 0, null],
    ["error", 3, "handler-failed"],
    ["paused", 3, "handler-failed"],
    ["stopped", 0, null],
  ]);
});

test("a holder that follows is live when the newest events are moments old", async () => {
  await plantSubscriptions(
    store.sql,
    { name: "follows", report: { state: "live" } },
    { name: "new", report: { state: "catching_up" } },
  );
  await until("the report comes in time", async () => {
    await appendAll(store.pool, appendTo("a", null));
    await store.sql`update varve.checkpoints set position = (select position from varve.log_head()) - 1`;
    const { subscriptions } = await health().report();
    const told = subscriptions.map(({ state, lagEvents }) => [state, lagEvents]);
    return Bun.deepEquals(told, [
      ["live", 1],
      ["catching_up", 1],
    ]);
  });
});

test("two instances say the same when the worker of one has stopped", async () => {
  await plantSubscriptions(
    store.sql,
    { name: "a", position: HEAD, report: { state: "live", eventsFailed: 12 } },
    { name: "b", position: 0, stillSeconds: 40, letters: 11 },
    { name: "c", lease: null },
  );
  const other = openTestPool(store.database.url);
  const stopped = {
    ...runningProcess,
    worker: { ...runningProcess.worker, state: "given-up" as const },
  };
  const reports = await Promise.all([
    health().report(),
    createHealth(other, () => stopped, Date.now).report(),
  ]);
  await other.close(1_000);
  const [mine, theirs] = reports.map(({ subscriptions }) =>
    subscriptions.map((one) => ({ ...one, lagSeconds: one.lagSeconds > 0 })),
  );
  expect(mine).toEqual(theirs ?? []);
  expect(reports.map(({ running: runs }) => runs)).toEqual([true, false]);
});
