import { describe, expect, test } from "bun:test";

import { VarveError } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";
import { createWatch, type Watch } from "#store/watch.ts";
import { until } from "#test/until.ts";

const never = new AbortController().signal;
const LONG_MS = 10_000;

/** A watch over positions that the test sets, and the moments of its looks. */
function watched({ isPatient = false } = {}) {
  const positions = new Map([
    ["a", 0],
    ["b", 0],
  ]);
  const looks: number[] = [];
  const state = { failure: undefined as Error | undefined, running: 0, runningMax: 0 };
  const watch = createWatch({
    isPatient,
    look: async () => {
      looks.push(performance.now());
      state.running += 1;
      state.runningMax = Math.max(state.runningMax, state.running);
      await Promise.resolve();
      state.running -= 1;
      if (state.failure !== undefined) throw state.failure;
      return new Map(positions);
    },
  });
  return { watch, positions, looks, state };
}

/** How a wait ended, and after how long. */
async function ended(wait: Promise<void>): Promise<{ how: string; afterMs: number }> {
  const startedMs = performance.now();
  const how = await wait.then(
    () => "resolved",
    (error: unknown) => (error instanceof VarveError ? error.code : "defect"),
  );
  return { how, afterMs: performance.now() - startedMs };
}

/** So many looks in vain that the pauses are the longest, and the last of them has begun. */
const restsLong = (looks: readonly number[]) => {
  const from = looks.length;
  return until("the watch rests long", () => looks.length >= from + 15);
};

const goal = (name: string, position: number) => ({ name, position });
const reach = (watch: Watch, name: string, position: number, waitMs = LONG_MS) =>
  ended(watch.reach(goal(name, position), waitMs, never));

describe("a wait", () => {
  test("it ends without a look when the position was told or is the beginning", async () => {
    const { watch, looks } = watched();
    expect([watch.tell("a", 5), watch.tell("a", 5), watch.tell("a", 4)]).toEqual([
      true,
      false,
      false,
    ]);
    await Promise.all([reach(watch, "a", 5), reach(watch, "a", 1), reach(watch, "b", 0)]);
    expect([looks.length, watch.waiting()]).toEqual([0, 0]);
  });

  test("it ends with the look that finds its position, and with no other", async () => {
    const { watch, positions } = watched();
    let isOver = false;
    const wait = watch.reach(goal("a", 5), LONG_MS, never).then(() => (isOver = true));
    positions.set("b", 9);
    await reach(watch, "b", 9);
    positions.set("a", 4);
    await reach(watch, "a", 4);
    expect(isOver).toBe(false);
    positions.set("a", 5);
    await wait;
    expect(watch.waiting()).toBe(0);
  });

  test("it ends when its time is over, its signal fires, or there is no time", async () => {
    const { watch } = watched();
    const gone = new AbortController();
    const timed = reach(watch, "a", 1, 30);
    const signalled = ended(watch.reach(goal("a", 1), LONG_MS, gone.signal));
    gone.abort();
    const [late, left] = [await timed, await signalled];
    expect([late.how, left.how, watch.waiting()]).toEqual(["resolved", "resolved", 0]);
    expect([late.afterMs > 25, left.afterMs < 25]).toEqual([true, true]);
    await watch.reach(goal("a", 1), LONG_MS, gone.signal);
    await watch.reach(goal("a", 1), 0, never);
    expect(watch.waiting()).toBe(0);
  });

  test("it goes on again when what was told is taken back", async () => {
    const { watch, positions, looks } = watched();
    watch.tell("a", 9);
    watch.correct("a", 3);
    watch.correct("a", 7);
    await reach(watch, "a", 3);
    expect(looks.length).toBe(0);
    const wait = reach(watch, "a", 4);
    positions.set("a", 4);
    await wait;
    expect(looks.length).toBeGreaterThan(0);
  });
});

describe("looks", () => {
  test("they come one at a time and far apart when hundreds wait for nothing", async () => {
    const { watch, looks, state } = watched();
    const waits = Array.from({ length: 300 }, (_, index) => reach(watch, "a", 1 + index, 500));
    expect(watch.waiting()).toBe(300);
    await Promise.all(waits);
    // Every 20 ms up to 200, then at 240, 320 and 480; each a timer later at most.
    expect([looks.length <= 15, state.runningMax]).toEqual([true, 1]);
    const made = looks.length;
    await reach(watch, "a", 0, 1);
    expect(looks.length - made).toBe(0);
  });

  test("they come close together when somebody has just come", async () => {
    const { watch, looks } = watched();
    await reach(watch, "a", 1, limits.pollMsMax - limits.pollMsMin / 2);
    expect(looks.length).toBeGreaterThan(4);
  });

  test("the next one is at hand when somebody comes in the middle of the longest pause", async () => {
    const { watch, positions, looks } = watched();
    const other = reach(watch, "b", 1);
    const waitsMs: number[] = [];
    for (let position = 1; position <= 3; position += 1) {
      await restsLong(looks);
      positions.set("a", position);
      waitsMs.push((await reach(watch, "a", position)).afterMs);
    }
    expect(Math.min(...waitsMs)).toBeLessThan(2 * limits.pollMsMin);
    positions.set("b", 1);
    await other;
  });

  test("a hint brings the next one at once, and none while nobody waits", async () => {
    const { watch, positions, looks } = watched();
    watch.hint();
    expect(looks.length).toBe(0);
    const waitsMs: number[] = [];
    for (let position = 1; position <= 3; position += 1) {
      const wait = reach(watch, "a", position);
      await restsLong(looks);
      positions.set("a", position);
      const hintedMs = performance.now();
      watch.hint();
      await wait;
      waitsMs.push(performance.now() - hintedMs);
    }
    expect(Math.min(...waitsMs)).toBeLessThan(limits.pollMsMin / 2);
  });

  test("crowds that come one after the other do not cost one each", async () => {
    const { watch, looks } = watched();
    const startedMs = performance.now();
    const waits: Promise<unknown>[] = [];
    await until("there have been many looks", () => {
      for (let count = 0; count < 20; count += 1) waits.push(reach(watch, "a", 1, 100));
      return looks.length > 20;
    });
    await Promise.all(waits);
    const spentMs = performance.now() - startedMs;
    expect(looks.length).toBeLessThanOrEqual(spentMs / limits.pollMsMin + 1);
  });
});

describe("a look that fails", () => {
  const outage = new VarveError("database-unavailable", "not told");

  test("it fails all who wait, and the next who comes is looked for", async () => {
    const { watch, positions, state } = watched();
    state.failure = outage;
    const waits = await Promise.all([reach(watch, "a", 1), reach(watch, "b", 1)]);
    expect(waits.map(({ how }) => how)).toEqual(["database-unavailable", "database-unavailable"]);
    state.failure = undefined;
    positions.set("a", 1);
    expect(await reach(watch, "a", 1)).toMatchObject({ how: "resolved" });
    expect(watch.waiting()).toBe(0);
  });

  test("it is ridden out when the watch is patient", async () => {
    const { watch, positions, looks, state } = watched({ isPatient: true });
    state.failure = outage;
    const wait = reach(watch, "a", 1);
    await until("it has failed twice", () => looks.length > 2);
    positions.set("a", 1);
    state.failure = undefined;
    expect(await wait).toMatchObject({ how: "resolved" });
    state.failure = outage;
    expect(await reach(watch, "a", 2, 50)).toMatchObject({ how: "resolved" });
  });
});
