import { expect, test } from "bun:test";
import fc from "fast-check";

import type { View } from "#domain/decider.ts";
import type { Reactor } from "#domain/subscription.ts";
import { retryDeadLetters } from "#store/dead-letters.ts";
import { ensureSubscriptions, startLoop } from "#test/support/loops.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";
import {
  checkpointsOf,
  fill,
  listedIn,
  listingView,
  names,
  streamsOf,
} from "#test/support/subscriptions.ts";
import { until } from "#test/until.ts";

type Step =
  | { readonly do: "append"; readonly streams: readonly string[] }
  /** Positions with this rest modulo five fail from here on. */
  | { readonly do: "break"; readonly rest: number }
  | { readonly do: "mend"; readonly rest: number }
  | { readonly do: "restart"; readonly loop: number }
  | { readonly do: "divide"; readonly partitions: number };

const stream = fc.constantFrom(...names("s", 8));
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("append" as const),
      streams: fc.uniqueArray(stream, { minLength: 1, maxLength: 8 }),
    }),
  },
  fc.record({ do: fc.constant("break" as const), rest: fc.nat({ max: 4 }) }),
  fc.record({ do: fc.constant("mend" as const), rest: fc.nat({ max: 4 }) }),
  fc.record({ do: fc.constant("restart" as const), loop: fc.nat({ max: 1 }) }),
  fc.record({ do: fc.constant("divide" as const), partitions: fc.integer({ min: 1, max: 4 }) }),
);

const settings = fc.record({
  batchSize: fc.integer({ min: 1, max: 20 }),
  maxInFlight: fc.integer({ min: 20, max: 50 }),
  checkpointStrategy: fc.constantFrom("every_event", "every_batch", "periodic"),
  checkpointIntervalMs: fc.constant(20),
  retries: fc.integer({ min: 0, max: 2 }),
  retryDelayMs: fc.constant(5),
  concurrency: fc.integer({ min: 1, max: 8 }),
});

type Settings = NonNullable<View["settings"]>;

/** The subscriptions under test, of so many partitions; what fails is shared with all of them. */
function subscriptionsOf(common: Settings, isBroken: (position: number) => boolean) {
  const called: { stream: string; position: number }[] = [];
  const fragile = (name: string, key: View["key"], own: Settings) =>
    listingView(name, {
      settings: own,
      key,
      project: (document, { position }) => {
        if (isBroken(position)) throw new Error("broken");
        return { positions: [...(document?.positions ?? []), position] };
      },
    });
  const declare = (partitions: number) => {
    const divided = { ...common, partitions };
    const reactor: Reactor = {
      name: "calls",
      events: ["Happened"],
      settings: divided,
      handle: async ({ aggregateId, position }) => {
        await Promise.resolve();
        if (isBroken(position)) throw new Error("broken");
        called.push({ stream: aggregateId, position });
      },
    };
    return {
      views: [
        fragile("lists", ({ aggregateId }) => aggregateId, divided),
        // Documents of many streams: these cannot be divided.
        fragile("halves", ({ aggregateId }) => (aggregateId < "s5" ? "low" : "high"), common),
      ],
      reactors: [reactor],
    };
  };
  return { called, declare };
}

/** The first call of each position, by stream. */
function firstCalls(called: readonly { stream: string; position: number }[]) {
  const firsts = new Map<string, Set<number>>();
  for (const one of called) {
    firsts.set(one.stream, (firsts.get(one.stream) ?? new Set()).add(one.position));
  }
  return Object.fromEntries([...firsts].map(([key, all]) => [key, [...all]]));
}

const halvesOf = (streams: Readonly<Record<string, readonly number[]>>) => {
  const half = (isLow: boolean) =>
    Object.entries(streams)
      .flatMap(([key, positions]) => (key < "s5" === isLow ? positions : []))
      .toSorted((left, right) => left - right);
  const both = { high: half(false), low: half(true) };
  return Object.fromEntries(Object.entries(both).filter(([, positions]) => positions.length > 0));
};

async function isSettled(store: TestStore, head: number): Promise<boolean> {
  await retryDeadLetters(store.pool, {});
  const [row] = await store.sql<{ waiting: number }[]>`
    select count(*)::int as waiting from varve.dead_letters where state = 'waiting'`;
  const all = await Promise.all(
    ["lists", "halves", "calls"].map((name) => checkpointsOf(store, name)),
  );
  return row?.waiting === 0 && all.flat().every((position) => position === head);
}

async function run(store: TestStore, common: Settings, steps: readonly Step[]) {
  const broken = new Set<number>();
  const { called, declare } = subscriptionsOf(common, (position) => broken.has(position % 5));
  let declared = declare(1);
  await ensureSubscriptions(store.pool, declared);
  const start = () => startLoop({ pool: store.pool, ...declared });
  const loops = [start(), start()];
  for (const one of steps) {
    if (one.do === "append") await fill(store, one.streams);
    else if (one.do === "break") broken.add(one.rest);
    else if (one.do === "mend") broken.delete(one.rest);
    else if (one.do === "divide") {
      declared = declare(one.partitions);
      await ensureSubscriptions(store.pool, declared);
    } else {
      await loops[one.loop]?.stop();
      loops[one.loop] = start();
    }
  }
  broken.clear();
  const streams = await streamsOf(store);
  const head = Object.values(streams).flat().length;
  await until("everything is in effect", () => isSettled(store, head), 30_000);
  await Promise.all(loops.map((loop) => loop.stop()));
  return { streams, called };
}

test("views are the fold of the log and calls cover it, whatever fails and moves", async () => {
  const property = fc.asyncProperty(
    settings,
    fc.array(step, { minLength: 5, maxLength: 40 }),
    async (common, steps) => {
      const store = await openStore();
      try {
        const { streams, called } = await run(store, common, steps);
        expect(await listedIn(store, "lists")).toEqual(streams);
        expect(await listedIn(store, "halves")).toEqual(halvesOf(streams));
        expect(firstCalls(called)).toEqual(streams);
      } finally {
        await closeStore(store);
      }
    },
  );
  await fc.assert(property, { numRuns: 8, endOnFailure: true });
}, 300_000);
