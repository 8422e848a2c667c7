import { afterAll, beforeAll, expect, test } from "bun:test";

import { uuidv7 } from "#kernel/ids.ts";
import { advanceCheckpoint } from "#store/checkpoints.ts";
import { ensureView } from "#store/documents.ts";
import { acquireLeases, releaseLeases, type Lease } from "#store/leases.ts";
import { rebuildView, rollbackView, swapView } from "#store/subscriptions.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";
import { tableOf } from "#test/support/views.ts";

let store: TestStore;
beforeAll(async () => {
  store = await openStore();
  await appendAll(store.pool, appendTo("a", 0));
});
afterAll(() => closeStore(store));

const declare = (name: string): Promise<boolean> =>
  ensureView(store.pool, tableOf(name, { fingerprint: "f" }));

/** Takes every lease of the view, by a new owner. */
async function take(name: string): Promise<readonly Lease[]> {
  const owner = uuidv7();
  const runnable = [{ name, version: 1, fingerprint: "f" }];
  const leases = await acquireLeases(store.pool, {
    owner,
    runnable,
    durationMs: 60_000,
    reports: [],
  });
  await releaseLeases(store.pool, owner);
  return leases;
}

const epochOf = (leases: readonly Lease[], name: string): number =>
  leases.find(({ subscription }) => subscription === name)?.epoch ?? 0;

const step = (subscription: string, epoch: number) => ({
  subscription,
  partition: 0,
  epoch,
  fromPosition: 0,
  toPosition: 1,
  taken: [1],
  letters: [],
  settled: [],
});

test("holder of what served writes nothing when another version has come to its name", async () => {
  await declare("swapped");
  for (let takeover = 1; takeover < 3; takeover += 1) await take("swapped");
  const before = epochOf(await take("swapped"), "swapped");
  await rebuildView(store.pool, "swapped", null);
  await take("swapped");
  expect(await swapView(store.pool, "swapped")).toBe("done");
  const after = await take("swapped");
  expect(epochOf(after, "swapped")).toBeGreaterThan(before);
  expect(await advanceCheckpoint(store.pool, step("swapped", before))).toBe(false);

  const held = ["swapped", "swapped:previous"].map((name) => epochOf(after, name));
  expect(await rollbackView(store.pool, "swapped")).toBe("done");
  const back = await take("swapped");
  expect(epochOf(back, "swapped")).toBeGreaterThan(Math.max(...held));
});

test("holder of the version before writes nothing when a later one has taken its name", async () => {
  await declare("twice");
  await rebuildView(store.pool, "twice", null);
  await take("twice");
  expect(await swapView(store.pool, "twice")).toBe("done");
  for (let takeover = 0; takeover < 5; takeover += 1) await take("twice");
  const before = epochOf(await take("twice"), "twice:previous");
  await store.sql`update varve.checkpoints set epoch = 1 where subscription = 'twice'`;
  await rebuildView(store.pool, "twice", null);
  expect(await swapView(store.pool, "twice")).toBe("done");
  expect(epochOf(await take("twice"), "twice:previous")).toBeGreaterThan(before);
});

test("holder of a building writes nothing when it begins again in other partitions", async () => {
  await declare("divided");
  await rebuildView(store.pool, "divided", 4);
  const before = epochOf(await take("divided"), "divided:building");
  expect(before).toBeGreaterThan(0);
  await rebuildView(store.pool, "divided", 1);
  // Nobody has taken the new one yet, and it is where the one before was.
  expect(await advanceCheckpoint(store.pool, step("divided:building", before))).toBe(false);
  expect(epochOf(await take("divided"), "divided:building")).toBeGreaterThan(before);
});
