import { describe, expect, test } from "bun:test";

import { defineView, type View } from "#domain/decider.ts";
import { readHead } from "#store/events.ts";
import { createReader } from "#subscription/reader.ts";
import { ensureSubscriptions, knownTypes } from "#test/support/loops.ts";
import {
  fill,
  type Happened,
  names,
  numbers,
  reached,
  recordingReactor,
  useSubscriptions,
} from "#test/support/subscriptions.ts";

const at = useSubscriptions();

type Sum = { readonly count: number; readonly sum: number; readonly last: number };

/** Counts all events in one document; one that comes twice or too late ends in a letter. */
const summingView = (name: string): View =>
  defineView<Sum, Happened>({
    name,
    version: 1,
    events: ["Happened"],
    key: () => "all",
    project: (document, { position }) => {
      const { count, sum, last } = document ?? { count: 0, sum: 0, last: 0 };
      if (position !== last + 1) throw new Error("out of order");
      return { count: count + 1, sum: sum + position, last: position };
    },
    byKey: true,
    settings: { batchSize: 1 + (name.length % 3) * 40 },
  });

/** Appends until it is told to stop; answers with the head. */
function growing(streams: readonly string[]) {
  let isOn = true;
  const ended = (async () => {
    while (isOn) await fill(at, streams);
    return readHead(at.pool);
  })();
  return {
    stop: async (): Promise<number> => {
      isOn = false;
      return ended;
    },
  };
}

describe("catching up to a head that grows", () => {
  test("a thousand followers take each position once, in order", async () => {
    await fill(at, names("s", 500), 4);
    const log = growing(names("s", 20));
    const reader = createReader(at.pool, knownTypes);
    const filter = { types: new Set(["Happened"]), aggregateTypes: undefined };
    const follow = async (): Promise<number> => {
      let position = Math.floor(Math.random() * 1_500);
      const unregister = reader.register({ filter, position: () => position });
      const goal = await readHead(at.pool);
      let misses = 0;
      while (position < goal) {
        const page = await reader.take(position, 1 + Math.floor(Math.random() * 400), filter);
        const taken = page.events.map(({ stored }) => stored.position);
        const dense = numbers(position + 1, page.reached);
        if (String(taken) !== String(dense)) misses += 1;
        position = page.reached;
        if (taken.length === 0) await reader.growth(position, 20, new AbortController().signal);
      }
      unregister();
      return misses;
    };
    const misses: number[] = [];
    for (let round = 0; round < 100; round += 1) {
      misses.push(...(await Promise.all(numbers(1, 10).map(follow))));
    }
    await log.stop();
    expect([misses.length, misses.filter((count) => count > 0)]).toEqual([1_000, []]);
  }, 120_000);

  test("new subscriptions take each position once when they start behind it", async () => {
    await fill(at, names("s", 500), 3);
    const log = growing(names("s", 10));
    const rounds = numbers(1, 5);
    const all: { views: View[]; recorded: ReturnType<typeof recordingReactor>[] }[] = [];
    for (const round of rounds) {
      const views = names(`sums${round}-`, 5).map(summingView);
      const recorded = names(`calls${round}-`, 5).map((name) =>
        recordingReactor(name, { settings: { concurrency: 100 } }),
      );
      const reactors = recorded.map(({ reactor }) => reactor);
      await ensureSubscriptions(at.pool, { views, reactors });
      const goal = await readHead(at.pool);
      at.start({ views, reactors });
      await reached(
        at,
        [...views, ...reactors].map(({ name }) => name),
        goal,
        30_000,
      );
      all.push({ views, recorded });
    }
    const head = await log.stop();
    for (const { views, recorded } of all) {
      await reached(
        at,
        views.map(({ name }) => name),
        head,
        30_000,
      );
      await reached(
        at,
        recorded.map(({ reactor }) => reactor.name),
        head,
        30_000,
      );
      for (const { name } of views) {
        const [row] = await at.sql<{ document: Sum }[]>`
          select document from varve_views.${at.sql(name)}`;
        expect(row?.document).toEqual({ count: head, sum: (head * (head + 1)) / 2, last: head });
      }
      for (const { positions } of recorded) {
        expect(positions().toSorted((left, right) => left - right)).toEqual(numbers(1, head));
      }
    }
  }, 120_000);
});
