import { describe, expect, test } from "bun:test";

import type { View } from "#domain/decider.ts";
import type { Reactor } from "#domain/subscription.ts";
import type { Pool } from "#store/pool.ts";
import { resetSubscription } from "#store/subscriptions.ts";
import { ensureSubscriptions } from "#test/support/loops.ts";
import { openTestPool } from "#test/support/pools.ts";
import {
  checkpointsOf,
  fill,
  listingView,
  names,
  reached,
  recordingReactor,
  useSubscriptions,
} from "#test/support/subscriptions.ts";
import { until } from "#test/until.ts";
import { limits } from "#kernel/limits.ts";

const at = useSubscriptions();

/** A pool of a loop's own, of at most `size`, which counts what it runs by name. */
function openCountingPool(size: number) {
  const pool = openTestPool(at.database.url, { size, applicationName: "one-reader" });
  at.onEnd(() => pool.close(1_000));
  const counts = new Map<string, number>();
  const query: Pool["query"] = (statement, ...rest) => {
    counts.set(statement.name, (counts.get(statement.name) ?? 0) + 1);
    return pool.query(statement, ...rest);
  };
  return { pool: { ...pool, query }, count: (name: string) => counts.get(name) ?? 0 };
}

const isMoved = async (position: number): Promise<boolean> => {
  const [row] = await at.sql<{ position: number }[]>`
    select min(position)::int as position from varve.checkpoints`;
  return (row?.position ?? 0) >= position;
};

const sessions = async (): Promise<number> => {
  const [row] = await at.sql<{ count: number }[]>`
    select count(*)::int as count from pg_stat_activity
     where application_name = 'one-reader' and datname = current_database()`;
  return row?.count ?? 0;
};

describe("subscriptions of one process", () => {
  test("two hundred share five connections and one look at the log", async () => {
    const views: View[] = names("view-", 20).map((name) => listingView(name));
    const recorded = names("calls-", 180).map((name) => recordingReactor(name));
    const reactors: Reactor[] = recorded.map(({ reactor }) => reactor);
    await ensureSubscriptions(at.pool, { views, reactors });
    const { pool, count } = openCountingPool(5);
    const loop = at.start({ views, reactors, pool });
    await until("all are held", () => loop.report().length === 200, 10_000);
    await fill(at, ["a"]);
    await until("all are at the head", () => isMoved(1), 10_000);
    const reads = count("read_subscription_page") + count("read_head");
    const startMs = performance.now();
    let most = 0;
    for (let position = 2; position <= 6; position += 1) {
      await fill(at, ["a"]);
      loop.wake();
      await until("all are at the head", () => isMoved(position), 10_000);
      most = Math.max(most, await sessions());
    }
    const looks = (performance.now() - startMs) / limits.pollMsMin + 5;
    expect(most).toBeLessThanOrEqual(5);
    expect(count("read_subscription_page") + count("read_head") - reads).toBeLessThan(looks);
    for (const { positions } of recorded) expect(positions()).toEqual([1, 2, 3, 4, 5, 6]);
  }, 60_000);

  test("one that is far behind catches up and the others stay at the head", async () => {
    const others = names("calls-", 10).map((name) => recordingReactor(name).reactor);
    const slow = recordingReactor("slow", { settings: { batchSize: 100, concurrency: 50 } });
    const reactors = [...others, slow.reactor];
    await ensureSubscriptions(at.pool, { reactors });
    const streams = names("s", 500);
    await fill(at, streams, 12);
    const { pool } = openCountingPool(3);
    at.start({ reactors, pool });
    await reached(
      at,
      reactors.map(({ name }) => name),
      6_000,
      20_000,
    );
    slow.calls.length = 0;
    await resetSubscription(at.pool, "slow", 0);
    const lags: number[] = [];
    let head = 6_000;
    for (;;) {
      await fill(at, ["s1"]);
      head += 1;
      const startMs = performance.now();
      await reached(
        at,
        others.map(({ name }) => name),
        head,
      );
      lags.push(performance.now() - startMs);
      const [position = 0] = await checkpointsOf(at, "slow");
      if (position >= 6_000) break;
    }
    await reached(at, ["slow"], head);
    // What it was called for before it heard of the reset comes again.
    expect(slow.positions().length).toBeLessThan(head + 10);
    expect(new Set(slow.positions()).size).toBe(head);
    // They are told of each event within a few polls, whatever the other reads.
    expect(lags.toSorted((left, right) => left - right)[lags.length >> 1]).toBeLessThan(500);
  }, 60_000);
});
