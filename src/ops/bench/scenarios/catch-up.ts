import { startChild } from "#ops/bench/child.ts";
import { compare, interleave, judge } from "#ops/bench/compare.ts";
import { withOrders } from "#ops/bench/filled-orders.ts";
import type { ProjectBench } from "#ops/bench/scenario.ts";
import { catchUp, readThrough } from "#ops/bench/views.ts";

const sides = ["read", "idle", "loaded"] as const;

/**
 * All views from zero over a log of orders, by the worker thread that a service starts: alone, and
 * while another process appends through the command handler; against reading the same pages with
 * nothing done with them. What is appended meanwhile does not count.
 */
export const catchUpScenario = (bench: ProjectBench) =>
  withOrders(bench, "catch-up", bench.events, async (options) => {
    const { rounds, perSecond, note } = bench;
    const { poolOptions: pool, keys } = options;
    const loaded = async (): Promise<number> => {
      const child = startChild({ kind: "commands", perSecond, keys, pool });
      try {
        let isOver = false;
        // The first second is its start's.
        await child.measure();
        const load = async (): Promise<void> => {
          while (!isOver) await child.measure();
        };
        const [, eventsPerSecond] = await Promise.all([
          load(),
          catchUp(options).finally(() => {
            isOver = true;
          }),
        ]);
        return eventsPerSecond;
      } finally {
        await child.close();
      }
    };
    const measured = await interleave(
      (side: (typeof sides)[number]) => {
        if (side === "read") return readThrough(options.pool);
        return side === "idle" ? catchUp(options) : loaded();
      },
      { names: sides, rounds },
      (round) => note(`catch-up: round ${round} of ${rounds}`),
    );
    const read = { name: "pages read and dropped", values: measured.read };
    const idle = { name: "all views", values: measured.idle };
    const busy = { name: `under ${perSecond} commands a second`, values: measured.loaded };
    const what = "events/s from zero";
    const scenario = "catch-up";
    return [
      judge({ scenario, what }, { atLeast: 25_000 }, idle),
      compare({ scenario, what, aim: { atLeast: 0.2 } }, read, idle),
      compare({ scenario, what, aim: null }, read, busy),
      compare({ scenario, what, aim: null }, idle, busy),
    ];
  });
