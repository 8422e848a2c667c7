import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";

import { discardDeadLetter } from "#store/dead-letters.ts";
import { readAfter, readHead, type StoredEvent } from "#store/events.ts";
import { auditProof, readProof } from "#store/proofs.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import {
  audit,
  declare,
  eventOfType,
  moveByHand,
  pass,
  settle,
  wants,
  type Wants,
} from "#test/support/proofs.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";

let store: TestStore;
beforeAll(async () => {
  store = await openStore();
});
afterAll(async () => {
  await closeStore(store);
});

/** What happens to a partition of a subscription; shares choose among what there is. */
type Step =
  | { readonly do: "append"; readonly types: readonly string[] }
  | { readonly do: "pass"; readonly partition: number; events: number; fails: readonly boolean[] }
  | { readonly do: "settle"; readonly partition: number; share: number; resolved: boolean }
  | { readonly do: "discard"; readonly partition: number; share: number }
  | { readonly do: "audit"; readonly partition: number; eventsMax: number }
  | { readonly do: "move"; readonly partition: number; share: number };

const of = <Name extends Step["do"]>(name: Name): fc.Arbitrary<Name> => fc.constant(name);
const share = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const partition = fc.nat(2);

const honest: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: of("append"),
    types: fc.array(fc.constantFrom("A", "B"), { maxLength: 9 }),
  }),
  fc.record({
    do: of("pass"),
    partition,
    events: fc.nat(12),
    fails: fc.array(fc.boolean(), { minLength: 1, maxLength: 6 }),
  }),
  fc.record({ do: of("settle"), partition, share, resolved: fc.boolean() }),
  fc.record({ do: of("discard"), partition, share }),
  fc.record({ do: of("audit"), partition, eventsMax: fc.integer({ min: 1, max: 9 }) }),
);
const byHand: fc.Arbitrary<Step> = fc.record({ do: of("move"), partition, share });

/** Short runs are of no use: what is to be found takes several moves. */
const manySteps = { minLength: 20, maxLength: 60, size: "max" } as const;

const kinds = fc.oneof(
  fc.record({ partitions: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ partitions: fc.integer({ min: 1, max: 3 }), eventTypes: fc.constant(["A"]) }),
);

type Share = {
  position: number;
  /** How often each position was passed by a step. */
  readonly passes: Map<number, number>;
  /** Positions whose letters wait. */
  readonly waiting: Set<number>;
};

let runs = 0;

/** A subscription beside a model of it, that begins at the head of the log. */
async function openModel(kind: Omit<Wants, "name"> & { readonly partitions: number }) {
  runs += 1;
  const subscription: Wants = { ...kind, name: `run-${runs}` };
  const start = await readHead(store.pool);
  await declare(store.pool, subscription, start);
  const shares = Array.from({ length: kind.partitions }, (): Share => {
    return { position: start, passes: new Map(), waiting: new Set() };
  });
  const events: StoredEvent[] = [];
  const told: unknown[] = [];

  const wantedOf = (index: number, from: number, to: number): readonly number[] =>
    events
      .filter(({ position }) => position > from && position <= to)
      .filter((event) => wants(subscription, index, event))
      .map(({ position }) => position);

  const append = async (types: readonly string[]): Promise<void> => {
    for (const [index, type] of types.entries()) {
      const append = appendTo(`${subscription.name}-${index % 4}`, null);
      await appendAll(store.pool, { ...append, events: [eventOfType(type)] });
    }
    events.push(...(await readAfter(store.pool, start + events.length, 1_000)));
  };

  const passOn = async (index: number, count: number, fails: readonly boolean[]) => {
    const one = shares[index] as Share;
    const from = one.position;
    const to = Math.min(start + events.length, from + count);
    const wanted = wantedOf(index, from, to);
    const failed = wanted.filter(
      (position, nth) => one.waiting.has(position) || fails[nth % fails.length] === true,
    );
    await pass(store, subscription, { partition: index, from, to, failed });
    for (const position of wanted) one.passes.set(position, (one.passes.get(position) ?? 0) + 1);
    for (const position of failed) one.waiting.add(position);
    one.position = to;
  };

  const discard = async (position: number): Promise<void> => {
    const [row] = await store.sql<{ id: number }[]>`
      select id::int from varve.dead_letters
        where subscription = ${subscription.name} and position = ${position}`;
    expect(await discardDeadLetter(store.pool, row?.id ?? 0, "nobody needs it")).toBe(true);
  };

  const take = async (step: Step): Promise<void> => {
    if (step.do === "append") return append(step.types);
    const index = step.partition % shares.length;
    const one = shares[index] as Share;
    if (step.do === "pass") return passOn(index, step.events, step.fails);
    if (step.do === "audit") {
      const audited = { subscription: subscription.name, partition: index };
      told.push(...(await auditProof(store.pool, audited, step.eventsMax)).faults);
      return;
    }
    if (step.do === "move") {
      one.position = start + Math.floor(step.share * (events.length + 1));
      return moveByHand(store, subscription, one.position, index);
    }
    const position = [...one.waiting][Math.floor(step.share * one.waiting.size)];
    if (position === undefined) return;
    if (step.do === "discard") await discard(position);
    else await settle(store, subscription, { position, resolved: step.resolved });
    if (step.do === "discard" || step.resolved) one.waiting.delete(position);
  };

  /** Goes on to the head and audits everything: what the audit came to, for each partition. */
  const finish = async () => {
    const all = [];
    for (const index of shares.keys()) {
      await passOn(index, events.length, [false]);
      all.push(await audit(store.pool, subscription, { partition: index, eventsMax: 7 }));
    }
    return all;
  };

  /** Positions by how often they were taken too often (1, 2 …) or not at all (-1), by the model. */
  const expected = (): readonly string[] =>
    [...shares.entries()].flatMap(([index, { passes }]) =>
      wantedOf(index, start, start + events.length)
        .map((position) => [position, (passes.get(position) ?? 0) - 1] as const)
        .filter(([, extra]) => extra !== 0)
        .map(([position, extra]) => `${index} ${position} ${extra}`),
    );

  /** The same by the faults that stand. */
  const found = async (): Promise<readonly string[]> => {
    const extras = new Map<string, number>();
    const proof = await readProof(store.pool, subscription.name);
    for (const { partition: index, kind, positions, total } of proof?.faults ?? []) {
      expect([kind, total]).toEqual([kind === "skipped" ? "skipped" : "doubled", positions.length]);
      for (const position of positions) {
        const key = `${index} ${position}`;
        extras.set(key, (extras.get(key) ?? 0) + (kind === "skipped" ? -1 : 1));
      }
    }
    return [...extras].map(([key, extra]) => `${key} ${extra}`);
  };

  return { take, finish, told, expected, found };
}

test("an honest subscription agrees with the log whatever happens and whenever it is audited", async () => {
  await fc.assert(
    fc.asyncProperty(kinds, fc.array(honest, manySteps), async (kind, steps) => {
      const model = await openModel(kind);
      for (const step of steps) await model.take(step);
      const agreed = { agrees: true, blocked: null, faults: [] };
      expect(await model.finish()).toEqual(Array.from({ length: kind.partitions }, () => agreed));
      expect(model.told).toEqual([]);
    }),
    { numRuns: 25 },
  );
}, 120_000);

test("faults are exactly what steps left out or repeated, however the checkpoint is moved", async () => {
  await fc.assert(
    fc.asyncProperty(
      kinds,
      fc.array(
        fc.oneof({ weight: 4, arbitrary: honest }, { weight: 1, arbitrary: byHand }),
        manySteps,
      ),
      async (kind, steps) => {
        const model = await openModel(kind);
        for (const step of steps) await model.take(step);
        const ends = await model.finish();
        const expected = model.expected();
        const byPartition = Array.from({ length: kind.partitions }, (_, index) =>
          expected.every((line) => !line.startsWith(`${index} `)),
        );
        expect(ends.map(({ agrees }) => agrees)).toEqual(byPartition);
        expect((await model.found()).toSorted()).toEqual([...expected].toSorted());
      },
    ),
    { numRuns: 60 },
  );
}, 120_000);
