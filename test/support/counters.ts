/** An aggregate whose state tells how it was folded: its streams grow by any number of events. */
import { z } from "zod";

import type { CommandRequest } from "#command/handle.ts";
import {
  type AnyAggregate,
  type CommandsOf,
  type Decider,
  defineAggregate,
  defineCommand,
  type EventsOf,
} from "#domain/decider.ts";
import { accept, refuse } from "#kernel/result.ts";

const events = {
  Added: {
    version: 1,
    payload: z.strictObject({ amount: z.number(), note: z.string().optional() }),
  },
};

const commands = {
  add: defineCommand({ body: z.strictObject({ amounts: z.array(z.number()) }) }),
  take: defineCommand({ body: z.strictObject({ amount: z.number() }) }),
};

type CounterEvent = EventsOf<typeof events>;
type Poor = { readonly type: "counter-poor"; readonly total: number };

/** `trail` depends on the order of the events, `notes` on a property that JSON drops. */
export type CounterState = {
  readonly total: number;
  readonly trail: number;
  readonly notes: number;
};

const decider: Decider<CounterState, CommandsOf<typeof commands>, CounterEvent, Poor> = {
  initialState: { total: 0, trail: 0, notes: 0 },
  decide: (command, state) => {
    if (command.type === "add") {
      const { amounts } = command.body;
      return accept(
        amounts.map((amount) => ({ type: "Added", payload: { amount, note: undefined } })),
      );
    }
    const { amount } = command.body;
    if (amount > state.total) return refuse({ type: "counter-poor", total: state.total });
    return accept([{ type: "Added", payload: { amount: -amount } }]);
  },
  evolve: ({ total, trail, notes }, { payload }) => ({
    total: total + payload.amount,
    trail: (trail * 31 + payload.amount + 1) % 1_000_003,
    notes: notes + ("note" in payload ? 1 : 0),
  }),
};

const state = z.strictObject({ total: z.number(), trail: z.number(), notes: z.number() });

/** Counters whose state has that schema version; undefined declares no snapshot. */
export const countersOf = (schemaVersion: number | undefined): AnyAggregate =>
  defineAggregate<CounterState, CommandsOf<typeof commands>, CounterEvent, Poor>({
    name: "counters",
    type: "Counter",
    decider,
    commands,
    events,
    rejections: { "counter-poor": "conflict" },
    views: [],
    ...(schemaVersion === undefined ? {} : { snapshot: { version: schemaVersion, state } }),
  });

export const counters = countersOf(1);

const request = (
  aggregateId: string,
  command: string,
  body: CommandRequest["body"],
  aggregate: AnyAggregate,
): CommandRequest => ({
  aggregate,
  aggregateId,
  command,
  body,
  at: "2026-01-01T00:00:00.000000Z",
  metadata: {},
});

/** Asks for an event for each amount, in one append. */
export const add = (id: string, amounts: readonly number[], aggregate = counters): CommandRequest =>
  request(id, "add", { amounts }, aggregate);

/** Asks for an event, and is refused where the total is less. */
export const take = (id: string, amount: number): CommandRequest =>
  request(id, "take", { amount }, counters);

/** The state that these amounts come to. */
export const countedUp = (amounts: readonly number[]): CounterState =>
  amounts.reduce<CounterState>(
    (before, amount) => decider.evolve(before, { type: "Added", payload: { amount } }),
    decider.initialState,
  );
