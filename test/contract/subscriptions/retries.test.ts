import { describe, expect, test } from "bun:test";

import { ensureSubscriptions, settingDefaults } from "#test/support/loops.ts";
import {
  fill,
  lettersOf,
  listedIn,
  listingView,
  numbers,
  reached,
  recordingReactor,
  useSubscriptions,
} from "#test/support/subscriptions.ts";
import { retryDelayMs, settingsOf } from "#subscription/settings.ts";
import { until } from "#test/until.ts";

const at = useSubscriptions();
const quick = { retries: 2, retryDelayMs: 1, retryDelayMaxMs: 4 } as const;

const waitsForPerson = async (subscription: string): Promise<boolean> => {
  const rows = await at.sql`
    select from varve.dead_letters where subscription = ${subscription} and state = 'waiting'
      and due_at is null and error_code <> 'behind-dead-letter'`;
  return rows.length > 0;
};

describe("retryDelayMs", () => {
  const declared = { settings: { retryDelayMs: 100, retryDelayMaxMs: 1_000 } };
  const settings = settingsOf(declared, settingDefaults);

  test.each([
    [1, 50, 100],
    [2, 100, 200],
    [3, 200, 400],
    [4, 400, 800],
    [5, 500, 1_000],
    [6, 500, 1_000],
    [100, 500, 1_000],
  ])("delay after attempt %p is between %p and %p", (attempts, least, most) => {
    const delays = Array.from({ length: 500 }, () => retryDelayMs(settings, attempts));
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(least);
    expect(Math.max(...delays)).toBeLessThanOrEqual(most);
    // Jitter spreads them over the whole range.
    expect(Math.max(...delays) - Math.min(...delays)).toBeGreaterThan((most - least) * 0.8);
  });
});

describe("retries", () => {
  test("call that fails is made again so often, and then waits for a person", async () => {
    const { reactor, calls } = recordingReactor("calls", {
      settings: quick,
      handle: () => {
        throw new Error("always");
      },
    });
    await ensureSubscriptions(at.pool, { reactors: [reactor] });
    await fill(at, ["a"]);
    const loop = at.start({ reactors: [reactor] });
    await until("it waits for a person", () => waitsForPerson("calls"), 10_000);
    expect(calls).toEqual(
      [1, 2, 3].map((attempt) => ({ stream: "a", position: 1, id: "calls:1", attempt })),
    );
    expect(await lettersOf(at, "calls")).toEqual([
      { position: 1, key: "Thing-a", code: "handler-failed", attempts: 3, state: "waiting" },
    ]);
    expect(loop.failures.map(({ attempt, outcome }) => [attempt, outcome])).toEqual([
      [1, "retried"],
      [2, "retried"],
      [3, "put-aside"],
    ]);
  });

  test("event that a view fails on is tried again and takes effect when it is well", async () => {
    let tries = 0;
    const view = listingView("lists", {
      settings: quick,
      project: (document, { position }) => {
        tries += position === 2 ? 1 : 0;
        if (position === 2 && tries < 3) throw new Error("not yet");
        return { positions: [...(document?.positions ?? []), position] };
      },
    });
    await ensureSubscriptions(at.pool, { views: [view] });
    await fill(at, ["a"], 5);
    at.start({ views: [view] });
    const all = async () => (await listedIn(at, "lists"))["a"]?.length === 5;
    await until("all are in effect", all, 10_000);
    expect([tries, await listedIn(at, "lists")]).toEqual([3, { a: numbers(1, 5) }]);
    expect(await lettersOf(at, "lists")).toMatchObject([
      { position: 2, attempts: 3, state: "resolved" },
      { position: 3, attempts: 1, state: "resolved" },
      { position: 4, attempts: 1, state: "resolved" },
      { position: 5, attempts: 1, state: "resolved" },
    ]);
  });

  test("nothing is tried again by itself when there are no retries", async () => {
    const { reactor, calls } = recordingReactor("calls", {
      settings: { retries: 0 },
      handle: () => {
        throw new Error("always");
      },
    });
    await ensureSubscriptions(at.pool, { reactors: [reactor] });
    await fill(at, ["a"]);
    at.start({ reactors: [reactor] });
    await until("it waits for a person", () => waitsForPerson("calls"));
    expect(calls.length).toBe(1);
  });
});

describe("processingTimeoutMs", () => {
  test("call that never settles is told to end, retried, and put aside", async () => {
    let fired = 0;
    const { reactor, calls } = recordingReactor("calls", {
      settings: { ...quick, processingTimeoutMs: 60 },
      handle: (event, { signal }) => {
        if (event.aggregateId !== "a") return undefined;
        signal.addEventListener("abort", () => (fired += 1));
        return new Promise(() => undefined);
      },
    });
    await ensureSubscriptions(at.pool, { reactors: [reactor] });
    await fill(at, ["a", "b"]);
    const loop = at.start({ reactors: [reactor] });
    await reached(at, ["calls"], 2);
    await until("it waits for a person", () => waitsForPerson("calls"), 10_000);
    expect(fired).toBe(3);
    expect(await lettersOf(at, "calls")).toMatchObject([
      { position: 1, code: "handler-timeout", attempts: 3, state: "waiting" },
    ]);
    expect(calls.filter(({ stream }) => stream === "b").length).toBe(1);
    expect(loop.failures.map(({ code, category }) => [code, category])).toEqual(
      [1, 2, 3].map(() => ["handler-timeout", "transient"]),
    );
  });
});
