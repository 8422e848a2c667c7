import { compare, interleave } from "#ops/bench/compare.ts";
import { withOrders } from "#ops/bench/filled-orders.ts";
import type { ProjectBench } from "#ops/bench/scenario.ts";
import { catchUp } from "#ops/bench/views.ts";

/** One by one they take many times as long; this many are enough to tell how many. */
const EVENTS = 5_000;

const sides = { single: "every_event", set: "every_batch" } as const;

/** The same documents of the same events, each page in one statement or each event in its own. */
export const setBased = (bench: ProjectBench) => {
  const events = Math.min(bench.events, EVENTS);
  return withOrders({ ...bench, file: undefined }, "set-based", events, async (options) => {
    const { rounds, note } = bench;
    const measured = await interleave(
      (side: keyof typeof sides) =>
        catchUp({
          ...options,
          settings: { ...options.settings, checkpointStrategy: sides[side] },
        }),
      { names: ["single", "set"], rounds },
      (round) => note(`set-based: round ${round} of ${rounds}`),
    );
    return [
      compare(
        { scenario: "set-based", what: "events/s from zero", aim: { atLeast: 5 } },
        { name: "event by event", values: measured.single },
        { name: "page by page", values: measured.set },
      ),
    ];
  });
};
