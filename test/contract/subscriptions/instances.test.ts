import { describe, expect, test } from "bun:test";

import type { View } from "#domain/decider.ts";
import type { Reactor } from "#domain/subscription.ts";
import { VarveError } from "#kernel/errors.ts";
import type { Pool } from "#store/pool.ts";
import { ensureSubscriptions } from "#test/support/loops.ts";
import { openTestPool } from "#test/support/pools.ts";
import {
  fill,
  lettersOf,
  listedIn,
  listingView,
  names,
  numbers,
  reached,
  type Recorded,
  recordingReactor,
  streamsOf,
  useSubscriptions,
} from "#test/support/subscriptions.ts";
import { until } from "#test/until.ts";

const at = useSubscriptions();
/** A partition has another holder within this, whether the one before said good-bye or not. */
const PROMISED_MS = 5_000;

type Instance = ReturnType<typeof startInstance>;

/** An instance with a pool of its own, which can fall silent, or be frozen and thawed. */
function startInstance(declared: { views?: readonly View[]; reactors?: readonly Reactor[] }) {
  const pool = openTestPool(at.database.url, { size: 3 });
  let [isSilent, isArmed, isFrozen, statements] = [false, false, false, 0];
  const applied: unknown[] = [];
  const thawed = Promise.withResolvers<void>();
  const query: Pool["query"] = async (statement, ...rest) => {
    const isWrite = /^(?:apply_projection|advance_checkpoint)$/.test(statement.name);
    const isAfterwards = isArmed && isWrite;
    isFrozen ||= isAfterwards;
    if (isFrozen) await thawed.promise;
    if (isSilent) throw new VarveError("database-unavailable", "gone");
    statements += 1;
    const rows = await pool.query<never>(statement, ...rest);
    if (isAfterwards) applied.push(Reflect.get(Object(rows[0]), "applied"));
    return rows;
  };
  const loop = at.start({ ...declared, pool: { ...pool, query } });
  at.onEnd(async () => {
    thawed.resolve();
    await loop.stop();
    await pool.close(1_000);
  });
  return {
    ...loop,
    held: () => loop.report().map(({ name, partition }) => `${name} ${partition}`),
    silence: (): void => {
      isSilent = true;
    },
    /** From its next write on no statement is sent before it thaws, and time goes on. */
    freezeAtWrite: (): void => {
      isArmed = true;
    },
    isFrozen: () => isFrozen,
    thaw: (): void => thawed.resolve(),
    /** What became of its writes since it was frozen. */
    applied: () => applied,
    statements: () => statements,
  };
}

/** How many of a subscription's partitions each instance holds by the database. */
const shares = async (): Promise<readonly number[]> => {
  const rows = await at.sql<{ count: number }[]>`
    select count(*)::int as count from varve.leases
     where expires_at > clock_timestamp() group by owner order by 1`;
  return rows.map(({ count }) => count);
};

const sharedAs = (wanted: readonly number[]) =>
  until(
    `shares of ${String(wanted)}`,
    async () => String(await shares()) === String(wanted),
    PROMISED_MS,
  );

const isOrdered = (calls: readonly Recorded[]): readonly string[] =>
  [...Map.groupBy(calls, ({ stream }) => stream)].flatMap(([stream, own]) => {
    const seen = new Set<number>();
    const firsts = own.flatMap(({ position }) => {
      if (seen.has(position)) return [];
      seen.add(position);
      return [position];
    });
    return String(firsts) === String(firsts.toSorted((a, b) => a - b)) ? [] : [stream];
  });

describe("instances", () => {
  test("partitions spread and move within five seconds of a join and of a leave", async () => {
    const view = listingView("lists", { settings: { partitions: 6 } });
    const views = [view];
    await ensureSubscriptions(at.pool, { views });
    const first = startInstance({ views });
    await sharedAs([6]);
    startInstance({ views });
    await sharedAs([3, 3]);
    const third = startInstance({ views });
    await sharedAs([2, 2, 2]);
    await third.stop();
    await sharedAs([3, 3]);
    first.silence();
    await sharedAs([6]);
    await fill(at, names("s", 30));
    await reached(at, ["lists"], 30);
    expect(await listedIn(at, "lists")).toEqual(await streamsOf(at));
  }, 60_000);

  test("order holds and nothing is skipped or doubled when partitions go from 2 to 5 to 1", async () => {
    const declare = (partitions: number) => {
      const settings = { partitions, batchSize: 10 };
      return { views: [listingView("lists", { settings })], settings };
    };
    const calls: Recorded[] = [];
    const reactorOf = (settings: Reactor["settings"]): Reactor => ({
      name: "calls",
      events: ["Happened"],
      ...(settings === undefined ? {} : { settings }),
      handle: ({ aggregateId: stream, position }, { id, attempt }) =>
        void calls.push({ stream, position, id, attempt }),
    });
    const first = declare(2);
    const reactors = [reactorOf(first.settings)];
    await ensureSubscriptions(at.pool, { views: first.views, reactors });
    const instances = [1, 2].map(() => startInstance({ views: first.views, reactors }));
    const streams = names("s", 15);
    let isOn = true;
    const appending = (async () => {
      while (isOn) await fill(at, streams);
    })();
    at.onEnd(async () => {
      isOn = false;
      await appending;
    });
    for (const partitions of [5, 1]) {
      const { views, settings } = declare(partitions);
      await ensureSubscriptions(at.pool, { views, reactors: [reactorOf(settings)] });
      await until(
        `there are ${partitions} partitions`,
        async () => {
          const rows = await at.sql<{ partitions: number }[]>`
            select partitions from varve.subscriptions`;
          return rows.every((row) => row.partitions === partitions);
        },
        15_000,
      );
      await until(
        "they are held",
        async () => {
          const held = instances.flatMap((instance) => instance.held());
          return held.length === 2 * partitions;
        },
        10_000,
      );
    }
    isOn = false;
    await appending;
    const logged = await streamsOf(at);
    const head = Object.values(logged).flat().length;
    await reached(at, ["lists", "calls"], head, 15_000);
    expect(await listedIn(at, "lists")).toEqual(logged);
    expect(isOrdered(calls)).toEqual([]);
    const called = [...new Set(calls.map(({ position }) => position))];
    expect(called.toSorted((left, right) => left - right)).toEqual(numbers(1, head));
    expect([await lettersOf(at, "lists"), await lettersOf(at, "calls")]).toEqual([[], []]);
  }, 90_000);

  test("instance that was frozen past its lease writes nothing when it goes on", async () => {
    const views = [listingView("lists")];
    const reactors = [recordingReactor("calls").reactor];
    await ensureSubscriptions(at.pool, { views, reactors });
    const first = startInstance({ views, reactors });
    await until("it holds them", () => first.held().length === 2);
    await fill(at, ["a"], 3);
    await reached(at, ["lists", "calls"], 3);
    first.freezeAtWrite();
    await fill(at, ["a"], 2);
    await until("it is frozen", first.isFrozen);
    const second = startInstance({ views, reactors });
    await until("the second holds them", () => second.held().length === 2, PROMISED_MS);
    await reached(at, ["lists", "calls"], 5);
    expect(second.report().map(({ epoch }) => epoch)).toEqual([2, 2]);
    first.thaw();
    await sharedAs([1, 1]);
    // What it had begun was sent all the same, and refused.
    expect(new Set(first.applied())).toEqual(new Set([false]));
    const rows = await at.sql<{ events: number }[]>`
      select events_processed::int as events from varve.checkpoints`;
    expect(rows.map(({ events }) => events)).toEqual([5, 5]);
    expect(await listedIn(at, "lists")).toEqual({ a: [1, 2, 3, 4, 5] });
  }, 30_000);

  test("lease that was taken while the partitions changed is taken anew", async () => {
    const views = [listingView("lists")];
    await ensureSubscriptions(at.pool, { views });
    const instance = startInstance({ views });
    await until("it holds it", () => instance.held().length === 1);
    // As the insert of a lease leaves it that has waited for the exchange of the partitions.
    await at.sql`update varve.checkpoints set epoch = epoch + 5`;
    await fill(at, ["a"], 2);
    await reached(at, ["lists"], 2);
    expect(instance.report().map(({ epoch }) => epoch)).toEqual([7]);
  });

  test("process goes on while one partition cannot come to where all of them change", async () => {
    const poison = new Set([1]);
    const declare = (partitions: number) => [
      listingView("lists", {
        settings: { partitions, continueOnError: false },
        project: (document, { position }) => {
          if (poison.has(position)) throw new Error("poison");
          return { positions: [...(document?.positions ?? []), position] };
        },
      }),
    ];
    await ensureSubscriptions(at.pool, { views: declare(2) });
    const instance = startInstance({ views: declare(2) });
    await fill(at, names("s", 20));
    const halted = () => instance.report().some((report) => report.halted);
    await until("one partition has stopped", halted);
    await ensureSubscriptions(at.pool, { views: declare(3) });
    await fill(at, names("s", 20));
    const reads = instance.statements();
    // Time itself is what is looked at: a partition that waits must not spin.
    await Bun.sleep(1_500);
    expect(instance.statements() - reads).toBeLessThan(60);
    poison.clear();
    await until("there are three", () => instance.held().length === 3, 3 * PROMISED_MS);
    await reached(at, ["lists"], 40);
    expect(await listedIn(at, "lists")).toEqual(await streamsOf(at));
  }, 40_000);

  test("reactor's partition moves when another instance joins, though its receiver is gone", async () => {
    const gone: Reactor = {
      name: "calls",
      events: ["Happened"],
      settings: { partitions: 2 },
      handle: () => Promise.reject(new VarveError("dependency-unavailable", "closed")),
    };
    const reactors = [gone];
    await ensureSubscriptions(at.pool, { reactors });
    const first = startInstance({ reactors });
    await until("it holds both", () => first.held().length === 2);
    await fill(at, names("s", 20));
    await until("it has failed", () => first.failures.length > 1);
    const second: Instance = startInstance({ reactors });
    await until("each holds one", () => second.held().length === 1, PROMISED_MS);
    await sharedAs([1, 1]);
  }, 30_000);
});
