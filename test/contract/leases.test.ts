import { afterAll, beforeEach, beforeAll, describe, expect, test } from "bun:test";

import { uuidv7 } from "#kernel/ids.ts";
import { advanceCheckpoint } from "#store/checkpoints.ts";
import { ensureView } from "#store/documents.ts";
import { releaseLeases, type Lease } from "#store/leases.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, freshDatabase, type TestDatabase } from "#test/database.ts";
import { fingerprintOf } from "#test/support/loops.ts";
import { openTestPool } from "#test/support/pools.ts";
import { leaseOf, leaseViews, stepOf, tableOf } from "#test/support/views.ts";
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
  await ensureView(pool, tableOf(name));
});

const firstVersions = (names: readonly string[]) =>
  names.map((each) => ({ name: each, version: 1 }));

const acquire = (owner: string, durationMs = LONG_MS, names = [name]) =>
  leaseViews(pool, owner, firstVersions(names), { durationMs });

const takenOver = (owner: string): Promise<readonly Lease[]> =>
  until("the lease is taken over", async () => {
    const leases = await acquire(owner);
    return leases.length > 0 && leases;
  });

/** The lease of the first version's only partition, or one that differs. */
const lease = (epoch: number, changed: Partial<Lease> = {}): Lease =>
  leaseOf(name, { epoch, fingerprint: fingerprintOf({ name, version: 1 }), ...changed });

const move = (epoch: number, fromPosition: number, toPosition: number, subscription = name) =>
  advanceCheckpoint(pool, stepOf(subscription, { epoch, fromPosition, toPosition }));

describe("leases", () => {
  test("lease is taken with a new epoch and kept when its owner renews it", async () => {
    const owner = uuidv7();
    const held = [lease(1)];
    expect([await acquire(owner), await acquire(owner)]).toEqual([held, held]);
  });

  test("lease is taken over when it was taken while the clock was years ahead", async () => {
    const [before, after] = [uuidv7(), uuidv7()];
    await acquire(before);
    expect(await acquire(after)).toEqual([]);
    await acquire(before, 2 ** 31 - 1);
    expect(await acquire(after)).toEqual([lease(2)]);
    expect(await move(1, 0, 7)).toBe(false);
  });

  test("lease tells where the checkpoint is when it is renewed", async () => {
    const owner = uuidv7();
    await acquire(owner);
    await move(1, 0, 7);
    expect(await acquire(owner)).toEqual([lease(1, { position: 7 })]);
  });

  test("other owner gets nothing when the lease has not expired", async () => {
    await acquire(uuidv7());
    expect(await acquire(uuidv7())).toEqual([]);
  });

  test("other owner takes over with the next epoch when the lease has expired", async () => {
    const startMs = performance.now();
    await acquire(uuidv7(), SHORT_MS);
    expect(await takenOver(uuidv7())).toEqual([lease(2)]);
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
    expect(await acquire(owner)).toEqual([lease(1)]);
  });

  test("other owner takes over at once when the lease was released", async () => {
    const owner = uuidv7();
    await acquire(owner);
    await releaseLeases(pool, owner);
    expect(await acquire(uuidv7())).toEqual([lease(2)]);
    expect(await move(1, 0, 5)).toBe(false);
  });

  test("release ends nobody else's lease when it is asked for", async () => {
    await acquire(uuidv7());
    await releaseLeases(pool, uuidv7());
    expect(await acquire(uuidv7())).toEqual([]);
  });

  test("each subscription has one owner when ten ask for all of them at once", async () => {
    const names = ["one", "two", "three"].map((suffix) => `${name}-${suffix}`);
    for (const each of names) await ensureView(pool, tableOf(each));
    const owners = Array.from({ length: 10 }, () => ({
      owner: uuidv7(),
      pool: openTestPool(database.url, { size: 1 }),
    }));
    // In opposite orders, as two releases of the program may list them.
    const ask = () =>
      Promise.all(
        owners.map((one, index) =>
          leaseViews(
            one.pool,
            one.owner,
            firstVersions(index % 2 === 0 ? names : names.toReversed()),
          ),
        ),
      );
    const both = [(await ask()).flat(), (await ask()).flat()];
    await Promise.all(owners.map((one) => one.pool.close(1_000)));
    for (const held of both) {
      const owned = held.map(({ subscription, epoch }) => `${subscription} ${epoch}`);
      expect(owned.toSorted()).toEqual(names.toSorted().map((each) => `${each} 1`));
    }
  });

  test("what serves stays with the program before when the next version is built", async () => {
    const before = uuidv7();
    await acquire(before);
    await ensureView(pool, tableOf(name, { version: 2 }));
    const building = `${name}:building`;
    const second = { version: 2, fingerprint: fingerprintOf({ name, version: 2 }) };
    expect(await leaseViews(pool, uuidv7(), [{ name, version: 2 }])).toEqual([
      // No epoch of a view is given twice, whichever of its versions had it; making one takes one.
      lease(3, { subscription: building, ...second }),
    ]);
    expect(await acquire(before)).toEqual([lease(1)]);
    expect([await move(1, 0, 7), await move(3, 0, 5, building)]).toEqual([true, true]);
  });

  test("a view keeps its later version when a program knows only an earlier one", async () => {
    const later = `${name}-later`;
    await ensureView(pool, tableOf(later, { version: 2 }));
    expect(ensureView(pool, tableOf(later))).rejects.toMatchObject({ code: "schema-behind" });
  });

  test("lease is not given when there is no such subscription", async () => {
    expect(await acquire(uuidv7(), LONG_MS, ["nothing"])).toEqual([]);
  });
});
