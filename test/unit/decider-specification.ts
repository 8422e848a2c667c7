import { expect } from "bun:test";

import type { Decider } from "#domain/decider.ts";
import { accept, refuse } from "#kernel/result.ts";

/** The value, frozen to its leaves, so that code which should be pure throws when it is not. */
export function frozen<Value>(value: Value): Value {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(frozen);
  }
  return value;
}

/** The state after the events, in order; neither state nor events may be changed by `evolve`. */
export const fold = <State, Event>(
  decider: Pick<Decider<State, never, Event, unknown>, "initialState" | "evolve">,
  events: readonly Event[],
): State =>
  events.reduce(
    (state, event) => frozen(decider.evolve(state, frozen(event))),
    frozen(decider.initialState),
  );

/**
 * Tells a rule as "given these facts, when this is asked, then this follows", for any decider:
 * `specification(decider).given([…]).when(command).thenEvents([…])` or `.thenRejection({…})`. The
 * last step is not called `then`, which would make a promise of it wherever it is awaited.
 */
export const specification = <State, Command, Event, Rejection>(
  decider: Decider<State, Command, Event, Rejection>,
) => ({
  given: (facts: readonly Event[]) => ({
    when: (command: Command) => {
      const decision = decider.decide(frozen(command), fold(decider, facts));
      return {
        thenEvents: (events: readonly Event[]): void => expect(decision).toEqual(accept(events)),
        thenRejection: (rejection: Rejection): void => expect(decision).toEqual(refuse(rejection)),
      };
    },
  }),
});
