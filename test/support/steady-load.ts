import { appendAll, appendTo } from "./appends.ts";
import { openTestPool } from "./pools.ts";
import { readAfter } from "#store/events.ts";

/** Appends and reads at the head, one after the other, while something else goes on. */
export function startSteadyLoad(url: string) {
  const pool = openTestPool(url, { size: 2 });
  let going = true;
  let [appends, slowestMs] = [0, 0];
  const streams = crypto.randomUUID();
  const run = async (): Promise<void> => {
    while (going) {
      const startedMs = performance.now();
      const [outcome] = await appendAll(pool, appendTo(`${streams}-${appends}`, 0));
      if (outcome?.outcome !== "appended") throw new Error("an append was disturbed");
      const read = await readAfter(pool, outcome.position - 1, 1);
      if (read.length !== 1) throw new Error("a read was disturbed");
      slowestMs = Math.max(slowestMs, performance.now() - startedMs);
      appends += 1;
    }
  };
  const running = run();
  running.catch(() => undefined);
  return {
    /** Ends it; throws what disturbed it. */
    stop: async () => {
      going = false;
      await running.finally(() => void pool.close(1_000));
      return { appends, slowestMs: Math.round(slowestMs) };
    },
  };
}
