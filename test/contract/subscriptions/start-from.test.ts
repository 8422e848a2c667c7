import { describe, expect, test } from "bun:test";

import type { SubscriptionSettings } from "#domain/subscription.ts";
import { ensureSubscriptions } from "#test/support/loops.ts";
import {
  fill,
  listedIn,
  listingView,
  reached,
  recordingReactor,
  useSubscriptions,
} from "#test/support/subscriptions.ts";
import { until } from "#test/until.ts";

const at = useSubscriptions();

type StartFrom = NonNullable<SubscriptionSettings["startFrom"]>;

/** When the event at the position was stored. */
const storedAt = async (position: number): Promise<string> => {
  const [row] = await at.sql<{ at: string }[]>`
    select to_char(created_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at
      from varve.events where position = ${position}`;
  return row?.at ?? "";
};

/** What a new reactor and a new view take of five events, and of one that comes later. */
const taken = async (startFrom: StartFrom) => {
  const { reactor, positions } = recordingReactor("calls", { settings: { startFrom } });
  const view = listingView("lists", { settings: { startFrom } });
  await ensureSubscriptions(at.pool, { views: [view], reactors: [reactor] });
  at.start({ views: [view], reactors: [reactor] });
  await fill(at, ["a"]);
  await reached(at, ["calls", "lists"], 6);
  return [positions(), (await listedIn(at, "lists"))["a"]];
};

describe("startFrom", () => {
  test("new subscriptions take everything when they start from the beginning", async () => {
    await fill(at, ["a"], 5);
    const all = [1, 2, 3, 4, 5, 6];
    expect(await taken("beginning")).toEqual([all, all]);
  });

  test("new subscriptions take what comes later when they start from the end", async () => {
    await fill(at, ["a"], 5);
    expect(await taken("end")).toEqual([[6], [6]]);
  });

  test("new subscriptions take what follows when they start from a position", async () => {
    await fill(at, ["a"], 5);
    const later = [4, 5, 6];
    expect(await taken({ position: 3 })).toEqual([later, later]);
  });

  test("new subscriptions take what was stored since when they start from a time", async () => {
    await fill(at, ["a"], 5);
    const later = [3, 4, 5, 6];
    expect(await taken({ time: await storedAt(3) })).toEqual([later, later]);
  });

  test("subscriptions go on from their checkpoint when they are declared again", async () => {
    await fill(at, ["a"], 2);
    const declared = recordingReactor("calls");
    await ensureSubscriptions(at.pool, { reactors: [declared.reactor] });
    const loop = at.start({ reactors: [declared.reactor] });
    await reached(at, ["calls"], 2);
    await loop.stop();
    const again = recordingReactor("calls", { settings: { startFrom: "end" } });
    await fill(at, ["a"], 2);
    await ensureSubscriptions(at.pool, { reactors: [again.reactor] });
    at.start({ reactors: [again.reactor] });
    await until("it goes on", () => again.positions().length === 2);
    expect(again.positions()).toEqual([3, 4]);
  });
});
