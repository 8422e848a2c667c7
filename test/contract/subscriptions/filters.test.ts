import { describe, expect, test } from "bun:test";

import { appendBatch } from "#store/append.ts";
import type { Parameter, Pool } from "#store/pool.ts";
import { anEvent } from "#test/support/appends.ts";
import { ensureSubscriptions, knownTypes } from "#test/support/loops.ts";
import {
  checkpointsOf,
  listedIn,
  listingView,
  numbers,
  reached,
  recordingReactor,
  useSubscriptions,
} from "#test/support/subscriptions.ts";
import { until } from "#test/until.ts";

const at = useSubscriptions();

const known = knownTypes.get("Happened");
const eventTypes = new Map([...knownTypes, ...(known ? [["Passed", known] as const] : [])]);

/** Of each thousand events ten have the type that is wanted, and half the aggregate type. */
async function fillLong(count: number): Promise<void> {
  const appends = numbers(1, count).map((number) => ({
    aggregateType: number % 2 === 0 ? "Thing" : "Other",
    aggregateId: `s${number}`,
    expectedVersion: null,
    events: [{ ...anEvent(), type: number % 100 < 2 ? "Happened" : "Passed" }],
  }));
  for (let from = 0; from < count; from += 500) {
    await appendBatch(at.pool, JSON.stringify(appends.slice(from, from + 500)));
  }
}

/** The filters of the statements that read. */
function reading() {
  const reads: (readonly Parameter[])[] = [];
  const query: Pool["query"] = (statement, parameters, ...rest) => {
    if (statement.name === "read_subscription_page") reads.push(parameters);
    return at.pool.query(statement, parameters, ...rest);
  };
  return { reads, pool: (): Pool => ({ ...at.pool, query }) };
}

describe("what a subscription wants", () => {
  test("types and aggregate types are asked of the database when it is far behind", async () => {
    await fillLong(5_000);
    const view = listingView("lists", { settings: { aggregateTypes: ["Thing"] } });
    await ensureSubscriptions(at.pool, { views: [view] });
    const { reads, pool } = reading();
    at.start({ views: [view], pool: pool(), eventTypes });
    await reached(at, ["lists"], 5_000);
    const far = reads.filter(([after]) => Number(after) < 3_000);
    expect(far.length).toBeGreaterThan(0);
    for (const read of far) expect(read.slice(2, 4)).toEqual(['["Happened"]', '["Thing"]']);
    const wanted = numbers(1, 5_000).filter((number) => number % 2 === 0 && number % 100 < 2);
    const listed = Object.values(await listedIn(at, "lists")).flat();
    expect(listed.toSorted((left, right) => left - right)).toEqual(wanted);
  });

  test("reactor is called for its types and aggregate types alone", async () => {
    await fillLong(400);
    const { reactor, positions } = recordingReactor("calls", {
      settings: { aggregateTypes: ["Thing"] },
    });
    await ensureSubscriptions(at.pool, { reactors: [reactor] });
    at.start({ reactors: [reactor], eventTypes });
    await reached(at, ["calls"], 400);
    expect(positions()).toEqual([100, 200, 300, 400]);
  });

  test("reactor that comes to want more is called by nobody who wants less", async () => {
    const settings = { aggregateTypes: ["Thing"] };
    const narrow = recordingReactor("calls", { settings, events: ["OrderCreated"] });
    const wide = recordingReactor("calls", { settings });
    await fillLong(200);
    await ensureSubscriptions(at.pool, { reactors: [narrow.reactor] });
    const before = at.start({ reactors: [narrow.reactor], eventTypes });
    await reached(at, ["calls"], 200);
    await ensureSubscriptions(at.pool, { reactors: [wide.reactor] });
    await fillLong(200);
    before.wake();
    await until("it has lost it", () => before.report().length === 0);
    expect(await checkpointsOf(at, "calls")).toEqual([200]);
    at.start({ reactors: [wide.reactor], eventTypes });
    await reached(at, ["calls"], 400);
    expect([narrow.positions(), wide.positions()]).toEqual([[], [300, 400]]);
  });

  test("what nobody wants is passed at once when it is told to stop", async () => {
    const view = listingView("lists");
    const { reactor } = recordingReactor("calls");
    await ensureSubscriptions(at.pool, { views: [view], reactors: [reactor] });
    const loop = at.start({ views: [view], reactors: [reactor], eventTypes });
    await until("both are held", () => loop.report().length === 2);
    const unwanted = { ...anEvent(), type: "Passed" };
    const append = { aggregateType: "Thing", aggregateId: "a", expectedVersion: 0 };
    await appendBatch(at.pool, JSON.stringify([{ ...append, events: [unwanted] }]));
    loop.wake();
    await loop.stop();
    expect([await checkpointsOf(at, "lists"), await checkpointsOf(at, "calls")]).toEqual([
      [1],
      [1],
    ]);
  });
});
