import { afterEach, beforeEach, expect, test } from "bun:test";

import { createHealth } from "#query/health.ts";
import { createProofReader } from "#query/proof.ts";
import { auditProof } from "#store/proofs.ts";
import { resetSubscription } from "#store/subscriptions.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { runningProcess } from "#test/support/health.ts";
import { openStage, type Stage } from "#test/support/stage.ts";
import { meetingReactor, upTo, versionsView } from "#test/support/watched.ts";
import { until } from "#test/until.ts";

let stage: Stage;
beforeEach(async () => {
  stage = await openStage();
  met = [];
});
afterEach(() => stage.close());

let met: number[] = [];
const declared = {
  views: [versionsView("view")],
  reactors: [meetingReactor("reactor", ({ position }) => void met.push(position))],
};
const names = ["view", "reactor"];

const moveTo = (position: number) => stage.sql`update varve.checkpoints set position = ${position}`;

const reached = async (position: number): Promise<void> => {
  for (const name of names) await stage.reached(name, position);
};

const faults = async () => [await stage.proofFaults("view"), await stage.proofFaults("reactor")];

test("positions that were skipped are written down when a checkpoint was moved forward", async () => {
  await appendAll(stage.pool, appendTo("a", 0, 3));
  const before = await stage.follow(declared);
  await reached(3);
  await before.stop();
  await appendAll(stage.pool, appendTo("a", 3, 3));
  await moveTo(5);
  await stage.follow(declared);
  await reached(6);
  const skipped = ["skipped 3 5"];
  expect(await faults()).toEqual([skipped, skipped]);
  expect([await stage.versions("view"), met]).toEqual([{ a: [1, 2, 3, 6] }, [1, 2, 3, 6]]);
  // It is told once, and not again for what follows.
  await appendAll(stage.pool, appendTo("a", 6, 2));
  await reached(8);
  expect(await faults()).toEqual([skipped, skipped]);
});

test("positions that were skipped are written down when it happens to a step under way", async () => {
  await appendAll(stage.pool, appendTo("a", 0, 3));
  const loop = await stage.follow(declared);
  await reached(3);
  await stage.sql.unsafe("begin; select from varve.checkpoints for update");
  await appendAll(stage.pool, appendTo("a", 3, 3));
  loop.wake();
  await until("both wait to write", async () => {
    const [row] = await stage.sql`
      select count(*)::int as waiting from pg_stat_activity
       where datname = current_database() and wait_event_type = 'Lock'`;
    return row?.["waiting"] === 2;
  });
  await moveTo(5);
  await stage.sql.unsafe("commit");
  await reached(6);
  const skipped = ["skipped 3 5"];
  expect(await faults()).toEqual([skipped, skipped]);
  expect(await stage.versions("view")).toEqual({ a: [1, 2, 3, 6] });
});

test("checkpoint that was deleted is missed by health and proof, and made again by a reset", async () => {
  await appendAll(stage.pool, appendTo("a", 0, 3));
  await stage.follow(declared);
  await reached(3);
  await stage.sql`delete from varve.checkpoints`;
  const told = async () => {
    const { subscriptions } = await createHealth(
      stage.pool,
      () => runningProcess,
      Date.now,
    ).report();
    return subscriptions.map((one) => [
      one.name,
      one.state,
      one.status,
      one.lastError,
      one.lagEvents,
    ]);
  };
  const missed = ["stopped", "unhealthy", "checkpoint-missing", 3];
  expect(await told()).toEqual(names.toSorted().map((name) => [name, ...missed]));
  for (const name of names) {
    expect(await createProofReader(stage.pool).read(name)).toMatchObject({ agrees: false });
    expect(await resetSubscription(stage.pool, name, 0)).toBe("done");
  }
  await reached(3);
  expect(await stage.versions("view")).toEqual({ a: [1, 2, 3] });
  expect(met).toEqual([...upTo(3), ...upTo(3)]);
  await until("both are held again", async () =>
    (await told()).every(([, state, status]) => state === "live" && status === "healthy"),
  );
});

test("positions that are taken again are written down when an idle checkpoint was moved back", async () => {
  await appendAll(stage.pool, appendTo("a", 0, 4));
  const loop = await stage.follow(declared);
  await reached(4);
  await until("both are live", loop.isLive);
  await moveTo(2);
  // Without anything new to take.
  await reached(4);
  for (const subscription of names) {
    await auditProof(stage.pool, { subscription, partition: 0 }, 100);
  }
  const doubled = ["doubled 2 4"];
  expect(await faults()).toEqual([doubled, doubled]);
  expect(met).toEqual([...upTo(4), 3, 4]);
  expect(await stage.versions("view")).toEqual({ a: [1, 2, 3, 4, 3, 4] });
});
