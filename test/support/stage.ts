/**
 * A database of a test's own with the loops that the test starts on it.
 *
 * What it promises. `close` stops the loops, fails if anything is left open, and drops the database.
 */
import { assertNothingLeftOpen } from "#test/database.ts";
import { until } from "#test/until.ts";

import { ensureSubscriptions, type LoopUnderTest, startLoop } from "./loops.ts";
import { closeStore, openStore } from "./store.ts";
import { checkpointOf, lettersOf, proofFaultsOf, reached, versionsIn } from "./watched.ts";

export type Stage = Awaited<ReturnType<typeof openStage>>;

export async function openStage() {
  const store = await openStore();
  const { sql } = store;
  const stops: (() => Promise<void>)[] = [];
  return {
    ...store,
    /** Makes what the loop follows, and starts it; on the stage's own pool unless it says which. */
    follow: async (options: Partial<LoopUnderTest>) => {
      const { views = [], reactors = [] } = options;
      await ensureSubscriptions(store.pool, { views, reactors });
      const loop = startLoop({ pool: store.pool, ...options });
      stops.push(loop.stop);
      return {
        ...loop,
        stateOf: (name: string) => loop.report().find((one) => one.name === name)?.state,
        isLive: () => loop.report().every(({ state }) => state === "live"),
      };
    },
    checkpoint: (subscription: string) => checkpointOf(sql, subscription),
    reached: (subscription: string, position: number, deadlineMs?: number) =>
      reached(sql, subscription, position, deadlineMs),
    letters: (subscription: string) => lettersOf(sql, subscription),
    /** Until none of its dead letters waits. */
    settled: (subscription: string) =>
      until(`no letter of ${subscription} waits`, async () => {
        const waiting = await sql`
          select from varve.dead_letters
           where subscription = ${subscription} and state = 'waiting'`;
        return waiting.length === 0;
      }),
    proofFaults: (subscription: string) => proofFaultsOf(sql, subscription),
    versions: (view: string) => versionsIn(sql, view),
    close: async (): Promise<void> => {
      await Promise.all(stops.map((stop) => stop()));
      await assertNothingLeftOpen(store.database.url);
      await closeStore(store);
    },
  };
}
