import { describe, expect, test } from "bun:test";

import { sleep } from "#kernel/clock.ts";
import type { Pool } from "#store/pool.ts";
import { anEvent } from "#test/support/appends.ts";
import { ensureSubscriptions } from "#test/support/loops.ts";
import {
  checkpointsOf,
  fill,
  listingView,
  reached,
  recordingReactor,
  useSubscriptions,
} from "#test/support/subscriptions.ts";
import { appendBatch } from "#store/append.ts";
import { until } from "#test/until.ts";

const at = useSubscriptions();

/** The test's pool, and the positions that each statement says have taken effect. */
function takenBy() {
  const taken: number[][] = [];
  const query: Pool["query"] = (statement, parameters, ...rest) => {
    if (/^(?:advance_checkpoint|apply_projection)$/.test(statement.name)) {
      taken.push(JSON.parse(String(parameters[5])) as number[]);
    }
    return at.pool.query(statement, parameters, ...rest);
  };
  return { taken, pool: (): Pool => ({ ...at.pool, query }) };
}

/** An event that the subscriptions of these tests do not want. */
const unwanted = (id: string) => ({
  aggregateType: "Thing",
  aggregateId: id,
  expectedVersion: null,
  events: [{ ...anEvent(), type: "Unwanted" }],
});

describe("checkpointStrategy", () => {
  test("view takes a batch in one statement when it is every_batch", async () => {
    const view = listingView("lists", { settings: { batchSize: 2 } });
    await ensureSubscriptions(at.pool, { views: [view] });
    await fill(at, ["a", "b", "c", "d", "e"]);
    const { taken, pool } = takenBy();
    at.start({ views: [view], pool: pool() });
    await reached(at, ["lists"], 5);
    expect(taken).toEqual([[1, 2], [3, 4], [5]]);
  });

  test("subscriptions take each event by itself when it is every_event", async () => {
    const settings = { checkpointStrategy: "every_event" } as const;
    const view = listingView("lists", { settings });
    const { reactor } = recordingReactor("calls", { settings });
    await ensureSubscriptions(at.pool, { views: [view], reactors: [reactor] });
    await fill(at, ["a", "b", "c"]);
    const { taken, pool } = takenBy();
    at.start({ views: [view], reactors: [reactor], pool: pool() });
    await reached(at, ["lists", "calls"], 3);
    const each = taken.filter((one) => one.length > 0).map(String);
    expect(each.toSorted()).toEqual(["1", "1", "2", "2", "3", "3"]);
  });

  test("reactor is one event ahead of its checkpoint at most when it is every_event", async () => {
    const ahead: number[] = [];
    const { reactor } = recordingReactor("calls", {
      settings: { checkpointStrategy: "every_event" },
      handle: async ({ position }) => {
        const [done = 0] = await checkpointsOf(at, "calls");
        ahead.push(position - done);
      },
    });
    await ensureSubscriptions(at.pool, { reactors: [reactor] });
    await fill(at, ["a", "b", "c", "d"]);
    at.start({ reactors: [reactor] });
    await reached(at, ["calls"], 4);
    expect(ahead).toEqual([1, 1, 1, 1]);
  });

  test("effects wait for the interval, and no longer, when it is periodic", async () => {
    const settings = { checkpointStrategy: "periodic", checkpointIntervalMs: 1_000 } as const;
    const view = listingView("lists", { settings });
    const { reactor, calls } = recordingReactor("calls", { settings });
    await ensureSubscriptions(at.pool, { views: [view], reactors: [reactor] });
    await fill(at, ["a", "b", "c"]);
    const { taken, pool } = takenBy();
    at.start({ views: [view], reactors: [reactor], pool: pool() });
    await until("the calls are made", () => calls.length === 3);
    const startMs = performance.now();
    // Time itself is what is looked at: nothing may be written in the first half of the interval.
    await sleep(400);
    expect(taken).toEqual([]);
    await reached(at, ["lists", "calls"], 3);
    // The timer alone did it: nothing was appended meanwhile.
    expect(performance.now() - startMs).toBeGreaterThan(500);
    expect(taken).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
  });

  test("subscriptions pass what they do not want when it is periodic", async () => {
    const settings = { checkpointStrategy: "periodic", checkpointIntervalMs: 100 } as const;
    const view = listingView("lists", { settings });
    const { reactor } = recordingReactor("calls", { settings });
    await ensureSubscriptions(at.pool, { views: [view], reactors: [reactor] });
    await appendBatch(at.pool, JSON.stringify([unwanted("a"), unwanted("b")]));
    at.start({ views: [view], reactors: [reactor] });
    await reached(at, ["lists", "calls"], 2);
    await fill(at, ["a"]);
    await reached(at, ["lists", "calls"], 3);
    await appendBatch(at.pool, JSON.stringify([unwanted("a")]));
    await reached(at, ["lists", "calls"], 4);
  });
});
