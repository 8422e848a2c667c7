import { describe, expect, test } from "bun:test";

import type { View } from "#domain/decider.ts";
import { VarveError } from "#kernel/errors.ts";
import { uuidv7 } from "#kernel/ids.ts";
import { readDocuments } from "#store/documents.ts";
import { acquireLeases } from "#store/leases.ts";
import { dropViewVersion, rebuildView, rollbackView, swapView } from "#store/subscriptions.ts";
import { ensureSubscriptions, fingerprintOf } from "#test/support/loops.ts";
import {
  checkpointsOf,
  fill,
  type Listed,
  listedIn,
  listingView,
  names,
  reached,
  recordingReactor,
  streamsOf,
  useSubscriptions,
} from "#test/support/subscriptions.ts";
import { until } from "#test/until.ts";
import { brokenIn } from "#test/support/verified.ts";

const at = useSubscriptions();

/** Another definition of the same view: its documents say so. */
const secondVersion = (): View =>
  listingView("lists", {
    version: 2,
    project: (document, { position }) => ({
      positions: [...(document?.positions ?? []), -position],
    }),
  });

const negated = (streams: Readonly<Record<string, readonly number[]>>) =>
  Object.fromEntries(
    Object.entries(streams).map(([key, positions]) => [key, positions.map((one) => -one)]),
  );

const rolesOf = async () => {
  const rows = await at.sql<{ name: string; version: number }[]>`
    select name, version from varve.views order by name`;
  return rows.map(({ name, version }) => `${name} ${version}`);
};

/** Appends until it is told to stop. */
function appending(streams: readonly string[]) {
  let isOn = true;
  const ended = (async () => {
    while (isOn) await fill(at, streams);
  })();
  return async (): Promise<number> => {
    isOn = false;
    await ended;
    return Object.values(await streamsOf(at)).flat().length;
  };
}

/** Reads on and on; answers with what no reader may ever see. */
function reading(keys: readonly string[]) {
  let isOn = true;
  const faults: string[] = [];
  const ended = (async () => {
    let last = 0;
    while (isOn) {
      const { position, documents } = await readDocuments(at.pool, "lists", keys);
      if (position < last) faults.push(`back from ${last} to ${position}`);
      last = position;
      const all = documents.flatMap(({ document }) => (document as Listed).positions);
      if (all.some((one) => one < 0) && all.some((one) => one > 0)) faults.push("two versions");
      // Every position up to where the view says it is belongs to one of the keys.
      if (all.length < position) faults.push(`${all.length} of ${position}`);
    }
  })();
  return async (): Promise<readonly string[]> => {
    isOn = false;
    await ended;
    return faults;
  };
}

describe("a view that is built beside the one that serves", () => {
  test("that one stays fresh, the swap is atomic for readers, and it can be taken back", async () => {
    const streams = names("s", 20);
    const first = listingView("lists");
    const { reactor, calls } = recordingReactor("calls");
    await ensureSubscriptions(at.pool, { views: [first], reactors: [reactor] });
    await fill(at, streams, 20);
    at.start({ views: [first], reactors: [reactor] });
    await reached(at, ["lists", "calls"], 400);
    const stop = appending(streams);
    const stopReading = reading(streams);

    const second = secondVersion();
    await ensureSubscriptions(at.pool, { views: [first, second] });
    expect(await rolesOf()).toEqual(["lists 1", "lists:building 2"]);
    at.start({ views: [second] });
    await reached(at, ["lists", "lists:building"], 400, 10_000);
    const swap = () => swapView(at.pool, "lists");
    await until("it is swapped in", async () => (await swap()) === "done", 15_000);
    expect(await rolesOf()).toEqual(["lists 2", "lists:previous 1"]);
    expect(await swapView(at.pool, "lists")).toBe("no-building");

    // The one before is kept up to date, so that it can serve again.
    const middle = (await checkpointsOf(at, "lists"))[0] ?? 0;
    await reached(at, ["lists", "lists:previous"], middle + 50, 10_000);
    const head = await stop();
    await reached(at, ["lists", "lists:previous", "calls"], head, 10_000);
    expect(await listedIn(at, "lists")).toEqual(negated(await streamsOf(at)));
    expect(await rollbackView(at.pool, "lists")).toBe("done");
    expect(await rolesOf()).toEqual(["lists 1", "lists:building 2"]);
    expect(await rollbackView(at.pool, "lists")).toBe("no-previous");
    expect(await listedIn(at, "lists")).toEqual(await streamsOf(at));
    expect(await stopReading()).toEqual([]);
    expect(new Set(calls.map(({ position }) => position)).size).toBe(head);
    expect(calls.length).toBe(head);
    await fill(at, streams);
    await reached(at, ["lists", "lists:building"], head + 20, 10_000);
    expect(await dropViewVersion(at.pool, "lists", "building")).toBe(true);
    expect(await dropViewVersion(at.pool, "lists", "building")).toBe(false);
    expect(await listedIn(at, "lists")).toEqual(await streamsOf(at));
  }, 60_000);

  test("documents are equal when the same definition is built again, killed on the way", async () => {
    const streams = names("s", 50);
    const views = [listingView("lists", { settings: { batchSize: 20 } })];
    const { reactor, calls } = recordingReactor("calls");
    await ensureSubscriptions(at.pool, { views, reactors: [reactor] });
    await fill(at, streams, 30);
    const serving = at.start({ views, reactors: [reactor] });
    await reached(at, ["lists", "calls"], 1_500, 10_000);
    await serving.stop();
    expect(await rebuildView(at.pool, "lists", null)).toBe("lists:building");
    expect(await rebuildView(at.pool, "nothing", null)).toBeUndefined();
    const over = Promise.withResolvers<never>();
    over.promise.catch(() => undefined);
    at.onEnd(async () => over.reject(new VarveError("database-unavailable", "the test is over")));
    for (const share of [0.1, 0.5, 0.99]) {
      const goal = 1_500 * share;
      let isDead = false;
      const pool: typeof at.pool = {
        ...at.pool,
        query: (statement, ...rest) =>
          // A process that is killed says nothing any more, not even good-bye.
          isDead ? over.promise : at.pool.query(statement, ...rest),
      };
      const loop = at.start({ views, pool });
      await reached(at, ["lists:building"], goal, 10_000);
      isDead = true;
      loop.drain();
    }
    await at.sql`update varve.leases set expires_at = '-infinity'`;
    at.start({ views, reactors: [reactor] });
    await reached(at, ["lists:building"], 1_500, 10_000);
    const before = await listedIn(at, "lists");
    expect(await swapView(at.pool, "lists")).toBe("done");
    expect([await listedIn(at, "lists"), before]).toEqual([await streamsOf(at), before]);
    expect(calls.length).toBe(1_500);
  }, 60_000);

  test("it begins again, with its definition, when another number of partitions is asked for", async () => {
    const first = listingView("lists");
    // Its one document is of all streams, so that it cannot be divided.
    const second = { ...secondVersion(), key: () => "all" };
    await ensureSubscriptions(at.pool, { views: [first] });
    await fill(at, ["a", "b"], 3);
    await ensureSubscriptions(at.pool, { views: [first, second] });
    expect(await rebuildView(at.pool, "lists", 2)).toBe("lists:building");
    const loop = at.start({ views: [first, second] });
    await until("it stands", () =>
      loop.report().some(({ lastError }) => lastError === "configuration-invalid"),
    );
    expect(await checkpointsOf(at, "lists:building")).toEqual([0, 0]);
    expect(await rebuildView(at.pool, "lists", null)).toBe("lists:building");
    expect(await checkpointsOf(at, "lists:building")).toEqual([0, 0]);

    expect(await rebuildView(at.pool, "lists", 1)).toBe("lists:building");
    await reached(at, ["lists", "lists:building"], 6, 10_000);
    expect(await rolesOf()).toEqual(["lists 1", "lists:building 2"]);
    expect(await rebuildView(at.pool, "lists", 1)).toBe("lists:building");
    expect(await checkpointsOf(at, "lists:building")).toEqual([6]);
    expect(await swapView(at.pool, "lists")).toBe("done");
    expect(await listedIn(at, "lists")).toEqual({ all: [-1, -2, -3, -4, -5, -6] });
  });

  test("program of another definition never holds the one that serves", async () => {
    const [first, second] = [listingView("lists"), secondVersion()];
    await ensureSubscriptions(at.pool, { views: [first] });
    await fill(at, ["a"], 3);
    await ensureSubscriptions(at.pool, { views: [second] });
    const loop = at.start({ views: [second] });
    await reached(at, ["lists:building"], 3);
    expect(loop.report().map(({ name }) => name)).toEqual(["lists:building"]);
    expect([await checkpointsOf(at, "lists"), await listedIn(at, "lists")]).toEqual([[0], {}]);
    expect(await brokenIn(at.database.url)).toEqual({});
    expect(await swapView(at.pool, "lists")).toBe("done");
    expect(await brokenIn(at.database.url)).toEqual({});
    expect(await listedIn(at, "lists")).toEqual({ a: [-1, -2, -3] });
    await until("it holds what serves", () => loop.report().some(({ name }) => name === "lists"));
    expect(loop.report().map(({ name }) => name)).toEqual(["lists"]);
  });

  test("holder of the version before writes nothing into the one that was swapped in", async () => {
    const [first, second] = [listingView("lists"), secondVersion()];
    await ensureSubscriptions(at.pool, { views: [first] });
    // Its second holder: as many epochs as the other version has after its swap.
    const early = at.start({ views: [first] });
    await until("it is held", () => early.report().length === 1);
    await early.stop();
    let isHeld = false;
    let isArmed = false;
    const resumed = Promise.withResolvers<void>();
    const pool: typeof at.pool = {
      ...at.pool,
      query: async (statement, ...rest) => {
        if (isArmed && statement.name === "apply_projection") isHeld = true;
        if (isHeld) await resumed.promise;
        return at.pool.query(statement, ...rest);
      },
    };
    const before = at.start({ views: [first], pool });
    await fill(at, ["a"], 3);
    await reached(at, ["lists"], 3);
    await ensureSubscriptions(at.pool, { views: [second] });
    const after = at.start({ views: [second] });
    await reached(at, ["lists:building"], 3);
    isArmed = true;
    await after.stop();
    await fill(at, ["a"]);
    await until("its write is on the way", () => isHeld);
    expect(await swapView(at.pool, "lists")).toBe("done");
    resumed.resolve();
    await until("it has heard", () => before.report().every(({ name }) => name !== "lists"));
    expect(await listedIn(at, "lists")).toEqual({ a: [-1, -2, -3] });
  });

  test("holder of a building that was dropped writes nothing into the next one", async () => {
    const first = listingView("lists");
    await ensureSubscriptions(at.pool, { views: [first] });
    await fill(at, ["a"], 3);
    await rebuildView(at.pool, "lists", null);
    let isHeld = false;
    const resumed = Promise.withResolvers<void>();
    const pool: typeof at.pool = {
      ...at.pool,
      query: async (statement, parameters, ...rest) => {
        if (statement.name === "apply_projection" && parameters[0] === "lists:building") {
          isHeld = true;
          await resumed.promise;
        }
        return at.pool.query(statement, parameters, ...rest);
      },
    };
    const before = at.start({ views: [first], pool });
    await until("its first write is on the way", () => isHeld);
    await ensureSubscriptions(at.pool, { views: [secondVersion()] });
    await at.sql`update varve.leases set expires_at = '-infinity'`;
    // The next one is held, and nothing of it is written yet: it is where the one before was.
    const second = secondVersion();
    const runnable = [{ name: "lists", version: 2, fingerprint: fingerprintOf(second) }];
    const request = { owner: uuidv7(), runnable, durationMs: 60_000, reports: [] };
    const lease = await until("it is free", async () => (await acquireLeases(at.pool, request))[0]);
    expect(lease).toMatchObject({ subscription: "lists:building", position: 0 });
    resumed.resolve();
    await reached(at, ["lists"], 3);
    await until("it holds what serves alone", () => before.report().length === 1);
    expect(await checkpointsOf(at, "lists:building")).toEqual([0]);
    const rows = await at.sql`select from varve_views.lists_v2`;
    expect(rows.length).toBe(0);
  });
});
