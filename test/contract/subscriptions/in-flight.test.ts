import { describe, expect, test } from "bun:test";

import type { Pool } from "#store/pool.ts";
import { ensureSubscriptions } from "#test/support/loops.ts";
import {
  checkpointsOf,
  fill,
  names,
  numbers,
  reached,
  recordingReactor,
  useSubscriptions,
} from "#test/support/subscriptions.ts";
import { until } from "#test/until.ts";

const at = useSubscriptions();

/** Calls that end only when they are told to, one after the other or all. */
function gate() {
  const waiting: (() => void)[] = [];
  let isOpen = false;
  return {
    pass: async (): Promise<void> => {
      if (isOpen) return;
      await new Promise<void>((resolve) => waiting.push(resolve));
    },
    waiting: () => waiting.length,
    openFor: (count: number): void => {
      for (const resolve of waiting.splice(0, count)) resolve();
    },
    open: (): void => {
      isOpen = true;
      for (const resolve of waiting.splice(0)) resolve();
    },
  };
}

/** The test's pool, and how many statements of each name it ran. */
function countingPool() {
  const counts = new Map<string, number>();
  const query: Pool["query"] = (statement, ...rest) => {
    counts.set(statement.name, (counts.get(statement.name) ?? 0) + 1);
    return at.pool.query(statement, ...rest);
  };
  return { counts, pool: (): Pool => ({ ...at.pool, query }) };
}

const inFlightOf = (loop: ReturnType<typeof at.start>): number =>
  loop.report().reduce((all, { inFlight }) => all + inFlight, 0);

describe("back-pressure", () => {
  test("reading stops at the threshold and resumes below it when calls are held", async () => {
    const { pass, waiting, openFor, open } = gate();
    const { reactor, positions } = recordingReactor("calls", {
      settings: {
        batchSize: 10,
        maxInFlight: 40,
        backpressureThreshold: 0.5,
        concurrency: 100,
      },
      handle: pass,
    });
    await ensureSubscriptions(at.pool, { reactors: [reactor] });
    await fill(at, names("s", 200));
    const { counts, pool } = countingPool();
    const loop = at.start({ reactors: [reactor], pool: pool() });
    await until("it has read up to the threshold", () => waiting() === 20);
    const reads = counts.get("read_subscription_page");
    // What is appended meanwhile wakes it, and it must not read on.
    await fill(at, names("t", 5));
    loop.wake();
    expect([positions(), inFlightOf(loop)]).toEqual([numbers(1, 20), 20]);
    openFor(1);
    await until("one is done, and it reads on", () => waiting() === 29);
    expect(positions()).toEqual(numbers(1, 30));
    expect(inFlightOf(loop)).toBeLessThanOrEqual(40);
    expect(counts.get("read_subscription_page")).toBeLessThanOrEqual((reads ?? 0) + 1);
    open();
    await reached(at, ["calls"], 205);
    expect(positions()).toEqual(numbers(1, 205));
  });

  test("no more is in flight than maxInFlight when a batch is as large", async () => {
    const { pass, waiting, open } = gate();
    const { reactor, positions } = recordingReactor("calls", {
      settings: { batchSize: 50, maxInFlight: 50, concurrency: 100 },
      handle: pass,
    });
    await ensureSubscriptions(at.pool, { reactors: [reactor] });
    await fill(at, names("s", 30));
    const loop = at.start({ reactors: [reactor] });
    await until("thirty are called", () => waiting() === 30);
    await fill(at, names("t", 100));
    loop.wake();
    await until("it has read on", () => waiting() >= 50);
    expect([waiting(), inFlightOf(loop)]).toEqual([50, 50]);
    open();
    await reached(at, ["calls"], 130);
    expect(positions()).toEqual(numbers(1, 130));
  });

  test("events behind one that is held count when they are done themselves", async () => {
    const { pass, waiting, open } = gate();
    const { reactor, positions } = recordingReactor("calls", {
      settings: { batchSize: 5, maxInFlight: 10, concurrency: 4 },
      handle: async ({ position }) => {
        if (position === 1) await pass();
      },
    });
    await ensureSubscriptions(at.pool, { reactors: [reactor] });
    await fill(at, names("s", 40));
    const loop = at.start({ reactors: [reactor] });
    await until("it is full", () => waiting() === 1 && inFlightOf(loop) >= 8);
    expect(inFlightOf(loop)).toBeLessThanOrEqual(10);
    expect(await checkpointsOf(at, "calls")).toEqual([0]);
    open();
    await reached(at, ["calls"], 40);
    expect(positions().toSorted((left, right) => left - right)).toEqual(numbers(1, 40));
  });
});

describe("concurrency", () => {
  test.each([1, 3])("calls are made %p at once when so many may be", async (concurrency) => {
    let [running, most] = [0, 0];
    const { reactor } = recordingReactor("calls", {
      settings: { concurrency },
      handle: async () => {
        running += 1;
        most = Math.max(most, running);
        await Bun.sleep(5);
        running -= 1;
      },
    });
    await ensureSubscriptions(at.pool, { reactors: [reactor] });
    await fill(at, names("s", 20));
    at.start({ reactors: [reactor] });
    await reached(at, ["calls"], 20);
    expect(most).toBe(concurrency);
  });
});
