import { describe, expect, test } from "bun:test";

import { ensureSubscriptions } from "#test/support/loops.ts";
import {
  checkpointsOf,
  fill,
  lettersOf,
  listedIn,
  listingView,
  names,
  numbers,
  reached,
  recordingReactor,
  useSubscriptions,
} from "#test/support/subscriptions.ts";
import { until } from "#test/until.ts";

const at = useSubscriptions();
const settings = { continueOnError: false, concurrency: 2 } as const;

/** Fails on one position for as long as it is broken. */
function breakable(position: number) {
  const state = { isBroken: true };
  const check = (at: number): void => {
    if (state.isBroken && at === position) throw new Error("broken");
  };
  return { state, check };
}

describe("continueOnError: false", () => {
  test("view stops in front of an event that fails and goes on once it does not", async () => {
    const { state, check } = breakable(3);
    const view = listingView("lists", {
      settings,
      project: (document, { position }) => {
        check(position);
        return { positions: [...(document?.positions ?? []), position] };
      },
    });
    await ensureSubscriptions(at.pool, { views: [view] });
    await fill(at, ["a"], 5);
    const loop = at.start({ views: [view] });
    await until("it has tried again", () => loop.failures.length > 1);
    expect(loop.report()).toMatchObject([
      { state: "error", halted: true, lastError: "view-failed" },
    ]);
    expect(await checkpointsOf(at, "lists")).toEqual([2]);
    expect(new Set(loop.failures.map(({ outcome }) => outcome))).toEqual(new Set(["stopped"]));
    expect(loop.codes).toEqual(["view-failed"]);
    state.isBroken = false;
    await reached(at, ["lists"], 5);
    expect(await listedIn(at, "lists")).toEqual({ a: numbers(1, 5) });
    expect(await lettersOf(at, "lists")).toEqual([]);
    await until("it says so", () => loop.report().every(({ state: now }) => now === "live"));
    expect(loop.report()).toMatchObject([{ halted: false, lastError: null }]);
  });

  test("reactor stops in front of an event that fails and goes on once it does not", async () => {
    const { state, check } = breakable(3);
    const { reactor, calls } = recordingReactor("calls", {
      settings,
      handle: ({ position }) => check(position),
    });
    await ensureSubscriptions(at.pool, { reactors: [reactor] });
    await fill(at, names("s", 50));
    const loop = at.start({ reactors: [reactor] });
    await until("it has tried again", () => loop.failures.length > 1);
    expect(loop.report()).toMatchObject([
      { state: "error", halted: true, lastError: "handler-failed" },
    ]);
    await until("what is done is written", async () => (await checkpointsOf(at, "calls"))[0] === 2);
    // What was under way beside it has been called; nothing behind that.
    expect(Math.max(...calls.map(({ position }) => position))).toBeLessThanOrEqual(5);
    await fill(at, names("t", 5));
    loop.wake();
    await until("it has tried again", () => loop.failures.length > 2);
    expect(Math.max(...calls.map(({ position }) => position))).toBeLessThanOrEqual(5);
    expect(await checkpointsOf(at, "calls")).toEqual([2]);
    state.isBroken = false;
    await reached(at, ["calls"], 55, 10_000);
    const positions = new Set(calls.map(({ position }) => position));
    expect([...positions].toSorted((left, right) => left - right)).toEqual(numbers(1, 55));
    expect(await lettersOf(at, "calls")).toEqual([]);
  });

  test("reactor that stopped is taken over at once when its loop drains", async () => {
    const { state, check } = breakable(1);
    const { reactor } = recordingReactor("calls", {
      settings,
      handle: ({ position }) => check(position),
    });
    await ensureSubscriptions(at.pool, { reactors: [reactor] });
    await fill(at, ["a"], 2);
    const loop = at.start({ reactors: [reactor] });
    await until("it has stopped", () => loop.report().some(({ halted }) => halted));
    const startMs = performance.now();
    await loop.stop();
    expect(performance.now() - startMs).toBeLessThan(1_000);
    state.isBroken = false;
    at.start({ reactors: [reactor] });
    await reached(at, ["calls"], 2, 2_000);
  });
});
