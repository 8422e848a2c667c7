import { z } from "zod";

import type { AnyAggregate } from "#domain/decider.ts";

type State = { readonly events: number; readonly characters: number };

/** What a benchmark loads: as little folding as there can be, so that loading is what is measured. */
export const benchAggregate: AnyAggregate = {
  name: "bench",
  type: "Bench",
  decider: {
    initialState: { events: 0, characters: 0 } satisfies State,
    decide: () => ({ ok: true, value: [] }),
    evolve: (state, { payload }) => {
      const { events, characters } = state as State;
      const { filler } = payload as { readonly filler: string };
      return { events: events + 1, characters: characters + filler.length };
    },
  },
  commands: {},
  events: {
    BenchAppended: { version: 1, payload: z.strictObject({ filler: z.string() }) },
  },
  rejections: {},
  views: [],
};
