import { z } from "zod";

import {
  type CommandsOf,
  type Decider,
  defineAggregate,
  defineCommand,
  type EventsOf,
} from "#domain/decider.ts";
import { accept, refuse } from "#kernel/result.ts";

const commands = { turn: defineCommand({ body: z.strictObject({ on: z.boolean() }) }) };
const events = { Turned: { version: 1, payload: z.object({ on: z.boolean() }) } };

type State = { readonly on: boolean; readonly turns: number };

const TURNS_MAX = 100;

const decider: Decider<
  State,
  CommandsOf<typeof commands>,
  EventsOf<typeof events>,
  { readonly type: "switch-worn-out" }
> = {
  initialState: { on: false, turns: 0 },
  decide: ({ body: { on } }, state) => {
    if (state.turns >= TURNS_MAX) return refuse({ type: "switch-worn-out" });
    return accept(state.on === on ? [] : [{ type: "Turned", payload: { on } }]);
  },
  evolve: ({ turns }, { payload: { on } }) => ({ on, turns: turns + 1 }),
};

/** A switch that is off at first; turning it to where it stands changes nothing. */
export const switches = defineAggregate({
  name: "switches",
  type: "Switch",
  decider,
  commands,
  events,
  rejections: { "switch-worn-out": "conflict" },
  views: [],
});
