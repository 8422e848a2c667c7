import { afterEach, beforeEach, expect, test } from "bun:test";

import { discardDeadLetter } from "#store/dead-letters.ts";
import { rebuildView, swapView } from "#store/subscriptions.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { allAgrees, audit } from "#test/support/proofs.ts";
import { ensureViews } from "#test/support/loops.ts";
import { openStage, type Stage } from "#test/support/stage.ts";
import { versionsView } from "#test/support/watched.ts";
import { until } from "#test/until.ts";

let stage: Stage;
beforeEach(async () => {
  stage = await openStage();
});
afterEach(() => stage.close());

const view = versionsView(
  "kept",
  ({ aggregateId, version }) => {
    if (aggregateId === "b" && version === 2) throw new Error("never");
  },
  { settings: { retries: 0, batchSize: 4 } },
);

/** Each stream has four versions, one after the other. */
async function appendRounds(streams: readonly string[]): Promise<void> {
  for (let version = 0; version < 4; version += 1) {
    await appendAll(stage.pool, ...streams.map((stream) => appendTo(stream, version)));
  }
}

async function expectAgreement(partitions: number, name: string): Promise<void> {
  for (let partition = 0; partition < partitions; partition += 1) {
    const found = await audit(stage.pool, { name }, { partition });
    expect(found).toEqual(allAgrees);
  }
}

const documents = { a: [1, 2, 3, 4], b: [1, 3, 4], c: [1, 2, 3, 4] };

/** A view of them that serves, without the event that was given up. Nothing runs it any more. */
async function serveWithoutOne(): Promise<void> {
  await appendRounds(["a", "b", "c"]);
  const loop = await stage.follow({ views: [view] });
  await stage.reached("kept", 12);
  const [letter] = await stage.sql<{ id: string }[]>`
    select id from varve.dead_letters where error_code = 'view-failed'`;
  expect(await discardDeadLetter(stage.pool, Number(letter?.id), "it never happened")).toBe(true);
  await stage.settled("kept");
  expect(await stage.versions("kept")).toEqual(documents);
  await loop.stop();
}

/** Runs what is being built until it has caught up, and lets it serve. */
async function buildAndSwap(): Promise<void> {
  const loop = await stage.follow({ views: [view] });
  await until("it has caught up", async () => {
    const [row] = await stage.sql`
      select min(position)::int as position from varve.checkpoints
       where subscription = 'kept:building'`;
    return row?.["position"] === 12;
  });
  expect(await swapView(stage.pool, "kept")).toBe("done");
  expect(await stage.versions("kept")).toEqual(documents);
  expect(await stage.letters("kept")).toEqual(["b 5 view-failed discarded 1"]);
  await loop.stop();
}

test.each([1, 3])(
  "discarded event has no effect in a version of %i partitions",
  async (partitions) => {
    await serveWithoutOne();
    for (let round = 0; round < 2; round += 1) {
      await rebuildView(stage.pool, "kept", partitions);
      // Where it begins, it has passed nothing that was discarded.
      await expectAgreement(partitions, "kept:building");
      await buildAndSwap();
      await expectAgreement(partitions, "kept");
    }
  },
);

test("discarded event has one letter when a building was begun again in other partitions", async () => {
  await serveWithoutOne();
  await rebuildView(stage.pool, "kept", 1);
  await rebuildView(stage.pool, "kept", 3);
  await buildAndSwap();
  // Its settings say one: the letters of all three come together.
  await stage.follow({ views: [view] });
  await until("it has one partition again", async () => {
    const rows = await stage.sql`select from varve.checkpoints where subscription = 'kept'`;
    return rows.length === 1;
  });
  await appendAll(stage.pool, appendTo("b", 4));
  await stage.reached("kept", 13);
  expect(await stage.versions("kept")).toEqual({ ...documents, b: [1, 3, 4, 5] });
});

test("discarded event of a type that the next version does not want is not its own", async () => {
  await serveWithoutOne();
  await ensureViews(stage.pool, [{ ...view, version: 2, events: ["Other"] }]);
  expect(await stage.letters("kept:building")).toEqual([]);
  await ensureViews(stage.pool, [{ ...view, version: 3, settings: { aggregateTypes: ["Thin"] } }]);
  expect(await stage.letters("kept:building")).toEqual([]);
  await ensureViews(stage.pool, [{ ...view, version: 4, settings: { aggregateTypes: ["Thing"] } }]);
  expect(await stage.letters("kept:building")).toEqual(["b 5 view-failed discarded 1"]);
});
