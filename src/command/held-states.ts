import type { AnyAggregate } from "#domain/decider.ts";
import { limits } from "#kernel/limits.ts";

import type { Loaded } from "./load.ts";

/** Folded states that are held in memory, the least recently used leaves first. */
export type HeldStates = {
  readonly find: (aggregate: AnyAggregate, aggregateId: string) => Loaded | undefined;
  /** Holds the state unless a newer one is held; it can no longer be changed. */
  readonly hold: (aggregate: AnyAggregate, aggregateId: string, loaded: Loaded) => void;
  /** Drops the state of that version or an older one. */
  readonly forget: (aggregate: AnyAggregate, aggregateId: string, version: number) => void;
};

type Held = { readonly loaded: Loaded; readonly bytes: number };

/** An id has no space in it. */
const keyOf = ({ type }: AnyAggregate, aggregateId: string): string => `${type} ${aggregateId}`;

/** Freezes what JSON can hold. What is frozen already is so all the way down. */
export function freeze(value: unknown): void {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const part of Object.values(value)) freeze(part);
}

/**
 * At most so many states, and `limits.statesBytes` of JSON; 0 holds none. Several commands decide
 * on one held state: a decider that changed it would change the others' past, so it is frozen.
 */
export function createHeldStates(statesMax: number): HeldStates {
  // A Map iterates in the order of insertion, so its first key is the least recently used.
  const held = new Map<string, Held>();
  let bytes = 0;

  const remove = (key: string): void => {
    bytes -= held.get(key)?.bytes ?? 0;
    held.delete(key);
  };

  return {
    find: (aggregate, aggregateId) => {
      const key = keyOf(aggregate, aggregateId);
      const found = held.get(key);
      if (found === undefined) return undefined;
      held.delete(key);
      held.set(key, found);
      return found.loaded;
    },
    hold: (aggregate, aggregateId, loaded) => {
      const key = keyOf(aggregate, aggregateId);
      // Answers to appends of one stream may come back in another order.
      if (statesMax === 0 || (held.get(key)?.loaded.version ?? 0) > loaded.version) return;
      remove(key);
      freeze(loaded.state);
      const size = JSON.stringify(loaded.state).length;
      held.set(key, { loaded, bytes: size });
      bytes += size;
      for (const oldest of held.keys()) {
        if (held.size <= statesMax && bytes <= limits.statesBytes) break;
        remove(oldest);
      }
    },
    forget: (aggregate, aggregateId, version) => {
      const key = keyOf(aggregate, aggregateId);
      if ((held.get(key)?.loaded.version ?? 0) <= version) remove(key);
    },
  };
}
