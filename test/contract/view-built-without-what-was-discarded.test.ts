import { afterEach, beforeEach, expect, test } from "bun:test";

import { discardDeadLetter } from "#store/dead-letters.ts";
import { rebuildView, swapView } from "#store/subscriptions.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { allAgrees, audit } from "#test/support/proofs.ts";
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

async function expectAgreement(partitions: number): Promise<void> {
  for (let partition = 0; partition < partitions; partition += 1) {
    const found = await audit(stage.pool, { name: "kept:building" }, { partition });
    expect(found).toEqual(allAgrees);
  }
}

test.each([1, 3])(
  "what was discarded never takes effect in the next version of %i partitions",
  async (partitions) => {
    await appendRounds(["a", "b", "c"]);
    let loop = await stage.follow({ views: [view] });
    await stage.reached("kept", 12);
    const [letter] = await stage.sql<{ id: string }[]>`
    select id from varve.dead_letters where error_code = 'view-failed'`;
    expect(await discardDeadLetter(stage.pool, Number(letter?.id), "it never happened")).toBe(true);
    await stage.settled("kept");
    const documents = { a: [1, 2, 3, 4], b: [1, 3, 4], c: [1, 2, 3, 4] };
    expect(await stage.versions("kept")).toEqual(documents);

    // Twice: the second finds the letters of the first, which were settled when it was dropped.
    for (let round = 0; round < 2; round += 1) {
      await loop.stop();
      await rebuildView(stage.pool, "kept", partitions);
      // Where it begins, it has passed nothing that was discarded.
      await expectAgreement(partitions);
      loop = await stage.follow({ views: [view] });
      await until("it has caught up", async () => {
        const [row] = await stage.sql`
        select min(position)::int as position from varve.checkpoints
         where subscription = 'kept:building'`;
        return row?.["position"] === 12;
      });
      await expectAgreement(partitions);
      expect(await swapView(stage.pool, "kept")).toBe("done");
      expect(await stage.versions("kept")).toEqual(documents);
      expect(await stage.letters("kept")).toEqual(["b 5 view-failed discarded 1"]);
    }
  },
);
