import { describe, expect, test } from "bun:test";

import { VarveError } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";
import { retryDeadLetters } from "#store/dead-letters.ts";
import type { Pool } from "#store/pool.ts";
import { ensureSubscriptions } from "#test/support/loops.ts";
import { freePort } from "#test/support/ports.ts";
import {
  checkpointsOf,
  fill,
  lettersOf,
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

const byStream = (calls: readonly Recorded[]) =>
  Object.fromEntries(
    [...Map.groupBy(calls, ({ stream }) => stream)].map(([stream, own]) => [
      stream,
      own.map(({ position }) => position),
    ]),
  );

describe("reactor", () => {
  test("calls are repeated with the same id when the process ends before its checkpoint", async () => {
    const hold = Promise.withResolvers<void>();
    const first = recordingReactor("calls", {
      handle: ({ position }) => (position === 1 ? hold.promise : undefined),
    });
    await ensureSubscriptions(at.pool, { reactors: [first.reactor] });
    await fill(at, ["a", "b", "c"]);
    const before = at.start({ reactors: [first.reactor] });
    await until("all are called", () => first.calls.length === 3);
    await before.stop();
    expect(await checkpointsOf(at, "calls")).toEqual([0]);
    const second = recordingReactor("calls");
    at.start({ reactors: [second.reactor] });
    await reached(at, ["calls"], 3);
    const ids = (calls: readonly Recorded[]) => calls.map(({ id }) => id);
    const same = ["calls:1", "calls:2", "calls:3"];
    expect([ids(first.calls), ids(second.calls)]).toEqual([same, same]);
    hold.resolve();
  }, 20_000);

  test("streams stay in order when calls run side by side and some of them fail", async () => {
    const succeeded: Recorded[] = [];
    const { reactor } = recordingReactor("calls", {
      settings: { concurrency: 16, batchSize: 20, retries: 5, retryDelayMs: 5 },
      handle: async ({ aggregateId: stream, position }, { id, attempt }) => {
        await Bun.sleep(Math.random() * 3);
        if (position % 7 === 0 && attempt < 3) throw new Error("not yet");
        succeeded.push({ stream, position, id, attempt });
      },
    });
    await ensureSubscriptions(at.pool, { reactors: [reactor] });
    await fill(at, names("s", 20), 5);
    at.start({ reactors: [reactor] });
    await fill(at, names("s", 20), 5);
    await until("each has been called well", () => succeeded.length >= 200, 15_000);
    await reached(at, ["calls"], 200);
    expect(byStream(succeeded)).toEqual(await streamsOf(at));
  }, 20_000);

  test("other streams flow while a call of one is under way", async () => {
    const hold = Promise.withResolvers<void>();
    const { reactor, calls } = recordingReactor("calls", {
      handle: ({ aggregateId }) => (aggregateId === "a" ? hold.promise : undefined),
    });
    await ensureSubscriptions(at.pool, { reactors: [reactor] });
    await fill(at, ["a", "b"], 5);
    at.start({ reactors: [reactor] });
    const own = (stream: string) => calls.filter((one) => one.stream === stream).length;
    await until("b is through", () => own("b") === 5);
    expect(own("a")).toBe(1);
    hold.resolve();
    await reached(at, ["calls"], 10);
    expect(byStream(calls)).toEqual({ a: [1, 3, 5, 7, 9], b: [2, 4, 6, 8, 10] });
  });

  test("events behind one that fails wait, and follow it in order when it is well", async () => {
    let isBroken = true;
    const { reactor, calls } = recordingReactor("calls", {
      settings: { retries: 0 },
      handle: ({ position }) => {
        if (isBroken && position === 1) throw new Error("poison");
      },
    });
    await ensureSubscriptions(at.pool, { reactors: [reactor] });
    await fill(at, ["a", "b"], 3);
    at.start({ reactors: [reactor] });
    await reached(at, ["calls"], 6);
    await fill(at, ["a"]);
    await reached(at, ["calls"], 7);
    expect(byStream(calls)).toEqual({ a: [1], b: [2, 4, 6] });
    isBroken = false;
    await retryDeadLetters(at.pool, { subscription: "calls" });
    await until("all are called", () => calls.length === 8);
    expect(byStream(calls)).toEqual({ a: [1, 1, 3, 5, 7], b: [2, 4, 6] });
    await until("nothing waits", async () =>
      (await lettersOf(at, "calls")).every(({ state }) => state === "resolved"),
    );
  });

  test("reactor gets the variables that it names, and no other", async () => {
    const seen: unknown[] = [];
    const { reactor } = recordingReactor("calls", {
      variables: ["RECEIVER"],
      handle: (_, { variables }) => void seen.push(variables),
    });
    await ensureSubscriptions(at.pool, { reactors: [reactor] });
    await fill(at, ["a"]);
    at.start({ reactors: [reactor], variables: { RECEIVER: "here", SECRET: "not for it" } });
    await reached(at, ["calls"], 1);
    expect(seen).toEqual([{ RECEIVER: "here" }]);
  });
});

describe("a reactor whose receiver is not there", () => {
  test.each([
    ["says so", () => Promise.reject(new VarveError("dependency-unavailable", "closed"))],
    ["refuses connections", async () => void (await fetch(`http://127.0.0.1:${await freePort()}`))],
  ])("pauses, skips nothing and goes on by itself when it %s", async (_, fail) => {
    let isGone = true;
    const { reactor, calls } = recordingReactor("calls", {
      handle: async () => {
        if (isGone) await fail();
      },
    });
    await ensureSubscriptions(at.pool, { reactors: [reactor] });
    await fill(at, names("s", 30));
    const loop = at.start({ reactors: [reactor] });
    await until("it has tried again", () => loop.failures.length > 2);
    expect(new Set(loop.failures.map(({ outcome }) => outcome))).toEqual(new Set(["paused"]));
    expect(loop.report()).toMatchObject([{ state: "error", lastError: "dependency-unavailable" }]);
    expect([await checkpointsOf(at, "calls"), await lettersOf(at, "calls")]).toEqual([[0], []]);
    // As many at a time as may be called at once, not the whole backlog over and over.
    expect(new Set(calls.map(({ position }) => position)).size).toBeLessThan(30);
    isGone = false;
    await reached(at, ["calls"], 30, 10_000);
    const positions = [...new Set(calls.map(({ position }) => position))];
    expect(positions.toSorted((left, right) => left - right)).toEqual(numbers(1, 30));
    await until("it is live", () => loop.report().every(({ state }) => state === "live"));
  });

  test("gives its partition to another process at once when it drains", async () => {
    const gone = recordingReactor("calls", {
      handle: () => Promise.reject(new VarveError("dependency-unavailable", "closed")),
    });
    await ensureSubscriptions(at.pool, { reactors: [gone.reactor] });
    await fill(at, names("s", 5));
    const loop = at.start({ reactors: [gone.reactor] });
    await until("it has tried", () => loop.failures.length > 0);
    await loop.stop();
    const { reactor, positions } = recordingReactor("calls");
    at.start({ reactors: [reactor] });
    await reached(at, ["calls"], 5, 2_000);
    expect(positions()).toEqual(numbers(1, 5));
  });
});

describe("a reactor's process", () => {
  test("page is handed out later when the database fails while it is taken", async () => {
    const { reactor, calls } = recordingReactor("calls", {
      settings: { retries: 0 },
      handle: ({ position }) => {
        if (position === 1) throw new Error("poison");
      },
    });
    await ensureSubscriptions(at.pool, { reactors: [reactor] });
    await fill(at, ["a"]);
    let failures = 0;
    const query: Pool["query"] = (statement, ...rest) => {
      if (statement.name === "read_waiting_streams" && failures < 3) {
        failures += 1;
        throw new VarveError("database-unavailable", "gone");
      }
      return at.pool.query(statement, ...rest);
    };
    at.start({ reactors: [reactor], pool: { ...at.pool, query } });
    await reached(at, ["calls"], 1);
    await fill(at, ["a", "b", "c"]);
    await reached(at, ["calls"], 4);
    expect(failures).toBe(3);
    expect(calls.map(({ position }) => position)).toEqual([1, 3, 4]);
    expect((await lettersOf(at, "calls")).map(({ position }) => position)).toEqual([1, 2]);
  });

  test("call ends and counts for nothing when its lease is lost meanwhile", async () => {
    const signals: AbortSignal[] = [];
    const first = recordingReactor("calls", {
      handle: (_, { signal }) => {
        signals.push(signal);
        return new Promise(() => undefined);
      },
    });
    await ensureSubscriptions(at.pool, { reactors: [first.reactor] });
    await fill(at, ["a"], 2);
    at.start({ reactors: [first.reactor] });
    await until("it is called", () => signals.length === 1);
    // As if the lease had run out and another instance had taken it.
    await at.sql`update varve.leases set owner = gen_random_uuid(), epoch = epoch + 1,
      expires_at = clock_timestamp() + interval '1 second'`;
    await at.sql`update varve.checkpoints set epoch = epoch + 1`;
    await until("its signal fires", () => signals.every(({ aborted }) => aborted));
    expect([await checkpointsOf(at, "calls"), await lettersOf(at, "calls")]).toEqual([[0], []]);
    await until("it is called again", () => signals.length === 2, 2 * limits.leaseMs);
    expect(first.calls.map(({ id, attempt }) => [id, attempt])).toEqual([
      ["calls:1", 1],
      ["calls:1", 1],
    ]);
  });
});
