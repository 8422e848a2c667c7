import type { Clock } from "#kernel/clock.ts";
import { invariant } from "#kernel/errors.ts";
import type { VarveError } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";
import type { Result } from "#kernel/result.ts";

/** What a load says of one key. A refusal is that key's alone and is not held. */
export type Outcome<Value> = Result<Value, VarveError>;
type Outcomes<Value> = ReadonlyMap<string, Outcome<Value>>;

export type KeyCache<Value> = {
  /**
   * The value of each key; what is not held is loaded in one call, and a key that is being loaded
   * already is waited for instead. Throws the refusal of one of these keys, or what `load` threw.
   */
  readonly getMany: (keys: readonly string[]) => Promise<Map<string, Value>>;
  /** Holds a value that was read from the store at `readAt`, by the cache's clock. */
  readonly hold: (key: string, value: Value, readAt: number) => void;
};

type CacheOptions<Value> = {
  readonly clock: Clock;
  /** Must answer for every key that it is given. */
  readonly load: (keys: readonly string[]) => Promise<Outcomes<Value>>;
};

type Held<Value> = { readonly value: Value; readonly readAt: number };

/**
 * Values by key, at most `limits.keyCacheEntries`, the least recently used leaves first. A value
 * is held for `limits.keyCacheMs` from before it was read: an erased key lingers no longer,
 * however busy it is.
 */
export function createKeyCache<Value>({ clock, load }: CacheOptions<Value>): KeyCache<Value> {
  // A Map iterates in the order of insertion, so its first key is the least recently used.
  const held = new Map<string, Held<Value>>();
  const flights = new Map<string, Promise<Outcomes<Value>>>();

  function hold(key: string, value: Value, readAt: number): void {
    // What was read later knows more: a key seen living must not cover its own erasure.
    if ((held.get(key)?.readAt ?? readAt) > readAt) return;
    held.delete(key);
    held.set(key, { value, readAt });
    const oldest = held.size > limits.keyCacheEntries ? held.keys().next().value : undefined;
    if (oldest !== undefined) held.delete(oldest);
  }

  function lookUp(key: string): Held<Value> | undefined {
    const entry = held.get(key);
    if (entry === undefined) return undefined;
    held.delete(key);
    // A clock that was set back must not make an entry live longer.
    const ageMs = clock() - entry.readAt;
    if (ageMs < 0 || ageMs >= limits.keyCacheMs) return undefined;
    held.set(key, entry);
    return entry;
  }

  async function loadAndHold(keys: readonly string[]): Promise<Outcomes<Value>> {
    const readAt = clock();
    const outcomes = await load(keys);
    for (const [key, outcome] of outcomes) if (outcome.ok) hold(key, outcome.value, readAt);
    return outcomes;
  }

  function takeOff(keys: readonly string[]): void {
    const flight = loadAndHold(keys).finally(() => {
      for (const key of keys) flights.delete(key);
    });
    for (const key of keys) flights.set(key, flight);
  }

  async function getMany(keys: readonly string[]): Promise<Map<string, Value>> {
    const wanted = [...new Set(keys)];
    const hits = new Map(wanted.map((key) => [key, lookUp(key)]));
    const missing = wanted.filter((key) => hits.get(key) === undefined);
    const unknown = missing.filter((key) => !flights.has(key));
    if (unknown.length > 0) takeOff(unknown);
    const landed = await Promise.all(new Set(missing.flatMap((key) => flights.get(key) ?? [])));
    const loaded = new Map(landed.flatMap((outcomes) => [...outcomes]));
    return new Map(wanted.map((key) => [key, valueOf(hits.get(key), loaded.get(key))]));
  }

  return { getMany, hold };
}

function valueOf<Value>(hit: Held<Value> | undefined, outcome: Outcome<Value> | undefined): Value {
  if (hit !== undefined) return hit.value;
  invariant(outcome !== undefined, "a load must answer for every key that it is given");
  if (!outcome.ok) throw outcome.error;
  return outcome.value;
}
