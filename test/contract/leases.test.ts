import { afterAll, beforeEach, beforeAll, describe, expect, test } from "bun:test";

import { uuidv7 } from "#kernel/ids.ts";
import { applyProjection, ensureView } from "#store/documents.ts";
import { acquireLeases, releaseLeases, type Lease } from "#store/leases.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, freshDatabase, type TestDatabase } from "#test/database.ts";
import { openTestPool } from "#test/support/pools.ts";
import { until } from "#test/until.ts";

let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await freshDatabase();
  pool = openTestPool(database.url);
});
afterAll(async () => {
  await pool.close(1_000);
  await assertNothingLeftOpen(database.url);
  await database.drop();
});

const LONG_MS = 60_000;
const SHORT_MS = 150;

let views = 0;
let name = "";
beforeEach(async () => {
  views += 1;
  name = `view${views}`;
  await ensureView(pool, { name, version: 1, filterFields: [] });
});

const firstVersions = (names: readonly string[]) =>
  names.map((each) => ({ name: each, version: 1 }));

const acquire = (owner: string, durationMs = LONG_MS, names = [name]) =>
  acquireLeases(pool, owner, firstVersions(names), durationMs);

const takenOver = (owner: string): Promise<readonly Lease[]> =>
  until("the lease is taken over", async () => {
    const leases = await acquire(owner);
    return leases.length > 0 && leases;
  });

const move = (epoch: number, fromPosition: number, toPosition: number) =>
  applyProjection(pool, {
    view: name,
    epoch,
    fromPosition,
    toPosition,
    events: 0,
    changes: [],
    deadLetters: [],
  });

describe("leases", () => {
  test("lease is taken with a new epoch and kept when its owner renews it", async () => {
    const owner = uuidv7();
    const held = [{ subscription: name, epoch: 1, position: 0 }];
    expect([await acquire(owner), await acquire(owner)]).toEqual([held, held]);
  });

  test("lease is taken over when it was taken while the clock was years ahead", async () => {
    const [before, after] = [uuidv7(), uuidv7()];
    await acquire(before);
    expect(await acquire(after)).toEqual([]);
    await pool.query(
      {
        name: "clock",
        text: `select varve.acquire_leases($1::uuid, $2::text::jsonb, 2147483647)`,
      },
      [before, JSON.stringify(firstVersions([name]))],
    );
    expect(await acquire(after)).toEqual([{ subscription: name, epoch: 2, position: 0 }]);
    expect(await move(1, 0, 7)).toBe(false);
  });

  test("lease tells where the checkpoint is when it is renewed", async () => {
    const owner = uuidv7();
    await acquire(owner);
    await move(1, 0, 7);
    expect(await acquire(owner)).toEqual([{ subscription: name, epoch: 1, position: 7 }]);
  });

  test("other owner gets nothing when the lease has not expired", async () => {
    await acquire(uuidv7());
    expect(await acquire(uuidv7())).toEqual([]);
  });

  test("other owner takes over with the next epoch when the lease has expired", async () => {
    const startMs = performance.now();
    await acquire(uuidv7(), SHORT_MS);
    expect(await takenOver(uuidv7())).toEqual([{ subscription: name, epoch: 2, position: 0 }]);
    expect(performance.now() - startMs).toBeGreaterThan(SHORT_MS);
  });

  test("owner before writes nothing and gets nothing when another has taken over", async () => {
    const [before, after] = [uuidv7(), uuidv7()];
    await acquire(before, SHORT_MS);
    await takenOver(after);
    expect(await move(1, 0, 5)).toBe(false);
    expect(await acquire(before)).toEqual([]);
    expect(await move(2, 0, 5)).toBe(true);
  });

  test("owner keeps its epoch when it renews an expired lease that nobody wanted", async () => {
    const owner = uuidv7();
    await acquire(owner, 0);
    expect(await acquire(owner)).toEqual([{ subscription: name, epoch: 1, position: 0 }]);
  });

  test("other owner takes over at once when the lease was released", async () => {
    const owner = uuidv7();
    await acquire(owner);
    await releaseLeases(pool, owner);
    expect(await acquire(uuidv7())).toEqual([{ subscription: name, epoch: 2, position: 0 }]);
    expect(await move(1, 0, 5)).toBe(false);
  });

  test("release ends nobody else's lease when it is asked for", async () => {
    await acquire(uuidv7());
    await releaseLeases(pool, uuidv7());
    expect(await acquire(uuidv7())).toEqual([]);
  });

  test("each subscription has one owner when ten ask for all of them at once", async () => {
    const names = ["one", "two", "three"].map((suffix) => `${name}_${suffix}`);
    for (const each of names) await ensureView(pool, { name: each, version: 1, filterFields: [] });
    const pools = Array.from({ length: 10 }, () => openTestPool(database.url, { size: 1 }));
    const held = await Promise.all(
      // In opposite orders, as two releases of the program may list them.
      pools.map((one, index) =>
        acquireLeases(
          one,
          uuidv7(),
          firstVersions(index % 2 === 0 ? names : names.toReversed()),
          LONG_MS,
        ),
      ),
    );
    await Promise.all(pools.map((one) => one.close(1_000)));
    const owned = held
      .flat()
      .toSorted((left, right) => (left.subscription < right.subscription ? -1 : 1));
    expect(owned).toEqual(
      names.toSorted().map((subscription) => ({ subscription, epoch: 1, position: 0 })),
    );
  });

  test("the next version's owner is alone when the program before still asks", async () => {
    const before = uuidv7();
    await acquire(before);
    await ensureView(pool, { name, version: 2, filterFields: [] });
    const next = uuidv7();
    const held = await acquireLeases(pool, next, [{ name, version: 2 }], LONG_MS);
    expect(held).toEqual([{ subscription: name, epoch: 3, position: 0 }]);
    expect(await acquire(before)).toEqual([]);
    expect(await move(1, 0, 7)).toBe(false);
    expect(await move(3, 0, 7)).toBe(true);
  });

  test("a view keeps its later version when a program knows only an earlier one", async () => {
    await ensureView(pool, { name, version: 2, filterFields: [] });
    expect(ensureView(pool, { name, version: 1, filterFields: [] })).rejects.toMatchObject({
      code: "schema-behind",
    });
  });

  test("lease is not given when there is no such subscription", async () => {
    expect(await acquire(uuidv7(), LONG_MS, ["nothing"])).toEqual([]);
  });
});
