import { describe, expect, test } from "bun:test";

import { pauseSubscription, resetSubscription, resumeSubscription } from "#store/subscriptions.ts";
import { ensureSubscriptions } from "#test/support/loops.ts";
import {
  fill,
  lettersOf,
  listedIn,
  listingView,
  names,
  reached,
  recordingReactor,
  streamsOf,
  useSubscriptions,
} from "#test/support/subscriptions.ts";
import { until } from "#test/until.ts";

const at = useSubscriptions();
const PROMISED_MS = 2_000;

const leaseOf = async () => {
  const rows = await at.sql<{ owner: string; epoch: number }[]>`
    select owner, epoch::int from varve.leases order by subscription, partition`;
  return rows.map((row) => ({ ...row }));
};

describe("pause and resume", () => {
  test("every instance stops and goes on within two seconds, and keeps its lease", async () => {
    const settings = { partitions: 2 };
    const view = listingView("lists", { settings });
    const { reactor, calls } = recordingReactor("calls", { settings });
    await ensureSubscriptions(at.pool, { views: [view], reactors: [reactor] });
    const loops = [1, 2].map(() => at.start({ views: [view], reactors: [reactor] }));
    const all = () => loops.flatMap((loop) => loop.report());
    await until("both hold some", () => loops.every((loop) => loop.report().length === 2));
    await fill(at, names("s", 10));
    await reached(at, ["lists", "calls"], 10);
    const leases = await leaseOf();
    for (const name of ["lists", "calls"]) {
      expect(await pauseSubscription(at.pool, name, "to look")).toBe(true);
    }
    const isPaused = () => all().every(({ state }) => state === "paused");
    await until("all are paused", isPaused, PROMISED_MS);
    await fill(at, names("s", 10));
    await until("a renewal has passed", async () => {
      const [row] = await at.sql<{ later: boolean }[]>`
        select min(reported_at) > (select max(created_at) from varve.events) as later
          from varve.leases`;
      return row?.later;
    });
    expect([calls.length, Object.values(await listedIn(at, "lists")).flat().length]).toEqual([
      10, 10,
    ]);
    expect(await leaseOf()).toEqual(leases);
    for (const name of ["lists", "calls"]) await resumeSubscription(at.pool, name);
    await reached(at, ["lists", "calls"], 20, PROMISED_MS);
    expect([calls.length, await listedIn(at, "lists")]).toEqual([20, await streamsOf(at)]);
    expect(await leaseOf()).toEqual(leases);
  });

  test("nothing is paused when there is no such subscription", async () => {
    expect(await pauseSubscription(at.pool, "nothing", null)).toBe(false);
    expect(await resumeSubscription(at.pool, "nothing")).toBe(false);
  });
});

describe("reset", () => {
  test("reactor is called again from the position, within two seconds", async () => {
    const { reactor, positions } = recordingReactor("calls");
    await ensureSubscriptions(at.pool, { reactors: [reactor] });
    await fill(at, names("s", 5));
    at.start({ reactors: [reactor] });
    await reached(at, ["calls"], 5);
    expect(await resetSubscription(at.pool, "calls", 3)).toBe("done");
    await until("it is called again", () => positions().length === 7, PROMISED_MS);
    await reached(at, ["calls"], 5);
    expect(positions()).toEqual([1, 2, 3, 4, 5, 4, 5]);
    expect(await resetSubscription(at.pool, "calls", 6)).toBe("past-head");
    expect(await resetSubscription(at.pool, "nothing", 0)).toBe("unknown");
  });

  test("view is emptied and built again, letters too, within two seconds", async () => {
    let isBroken = true;
    const view = listingView("lists", {
      settings: { retries: 0 },
      project: (document, { position }) => {
        if (isBroken && position === 2) throw new Error("poison");
        return { positions: [...(document?.positions ?? []), position] };
      },
    });
    await ensureSubscriptions(at.pool, { views: [view] });
    await fill(at, ["a", "b"], 3);
    at.start({ views: [view] });
    await reached(at, ["lists"], 6);
    expect(await resetSubscription(at.pool, "lists", 3)).toBe("not-zero");
    isBroken = false;
    expect(await resetSubscription(at.pool, "lists", 0)).toBe("done");
    await reached(at, ["lists"], 6, PROMISED_MS);
    expect(await listedIn(at, "lists")).toEqual(await streamsOf(at));
    const states = (await lettersOf(at, "lists")).map(({ state }) => state);
    expect(states).toEqual(["resolved", "resolved", "resolved"]);
  });
});
