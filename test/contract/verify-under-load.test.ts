import { afterEach, beforeEach, expect, test } from "bun:test";

import { sleep } from "#kernel/clock.ts";
import { isCode } from "#kernel/errors.ts";
import { uuidv7 } from "#kernel/ids.ts";
import { preparePartitions } from "#store/partitions/register.ts";
import { verify } from "#store/verify.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { randomFrom } from "#test/support/load.ts";
import { allViews, ensureViews, startLoop } from "#test/support/loops.ts";
import { openTestPool } from "#test/support/pools.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";
import { brokenIn, threeMonths } from "#test/support/verified.ts";
import { until } from "#test/until.ts";

let store: TestStore;
beforeEach(async () => {
  store = await openStore();
});
afterEach(() => closeStore(store));

const WRITERS = 6;
const ROUNDS = 8;
const STOPPED_WITHIN_MS = 3_000;

/** Appends without a pause, to few streams of which many are new, most of them with a key. */
function startWriters() {
  const pool = openTestPool(store.database.url, { size: WRITERS });
  let [stopping, appended] = [false, 0];
  const write = async (seed: number): Promise<void> => {
    const random = randomFrom(seed);
    while (!stopping) {
      const ids = new Set([1, 2, 3].map(() => `s-${Math.floor(random() * (20 + appended / 4))}`));
      const appends = [...ids].map((id) => ({
        ...appendTo(id, random() < 0.9 ? null : 0, 1 + Math.floor(random() * 3)),
        ...(random() < 0.7
          ? { idempotency: { principal: "key:a", key: uuidv7(), fingerprint: "f" } }
          : {}),
      }));
      const outcomes = await appendAll(pool, ...appends);
      appended += outcomes.filter(({ outcome }) => outcome === "appended").length;
    }
  };
  const running = Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer + 1)));
  return {
    appended: () => appended,
    stop: async (): Promise<void> => {
      stopping = true;
      await running;
      await pool.close(1_000);
    },
  };
}

test("verify finds nothing while writers append, views follow and partitions are made", async () => {
  await ensureViews(store.pool, allViews);
  const writers = startWriters();
  const loop = startLoop({ pool: store.pool, views: allViews, batchSize: 20 });
  const seen: unknown[] = [];
  const counts = [0];
  for (let round = 1; round <= ROUNDS; round += 1) {
    const [found] = await Promise.all([
      brokenIn(store.database.url),
      preparePartitions(store.pool, 2 + round),
    ]);
    seen.push(found);
    await until("appends went on", () => writers.appended() > (counts.at(-1) ?? 0));
    counts.push(writers.appended());
  }
  await writers.stop();
  await loop.stop();
  expect(seen).toEqual(Array.from({ length: ROUNDS }, () => ({})));
  expect(loop.codes).toEqual([]);
}, 60_000);

test("verify counts every row and gives a hundred when more break an invariant", async () => {
  await appendAll(store.pool, appendTo("many", 0, 150));
  await store.sql`update varve.events set subject_keys = array[event_id]`;
  const pool = openTestPool(store.database.url, { size: 2, prepare: false });
  const options = { applicationName: "test", signal: new AbortController().signal };
  for await (const { name, broken, rows } of verify(pool, options)) {
    if (name === "durability") continue;
    const expected = name === "subject-keys" ? [150, 100] : [0, 0];
    expect([name, broken, rows.length]).toEqual([name, ...expected]);
  }
  await pool.close(1_000);
});

test("verify stops the statement that runs when it is asked to", async () => {
  await threeMonths(store);
  const pool = openTestPool(store.database.url, {
    size: 2,
    prepare: false,
    applicationName: "verify to be stopped",
  });
  const stop = new AbortController();
  // Nothing can be read behind this lock, so that a statement certainly runs.
  const lock = store.sql.begin(async (tx) => {
    await tx`lock table varve.streams in access exclusive mode`;
    const ended = (async () => {
      const options = { applicationName: "verify to be stopped", signal: stop.signal };
      for await (const { name } of verify(pool, options)) void name;
    })();
    ended.catch(() => undefined);
    await until("it waits", async () => {
      // By its table, since the view shows the waits of every database.
      const rows = await tx`
        select from pg_locks where not granted and relation = 'varve.streams'::regclass
          and database = (select oid from pg_database where datname = current_database())`;
      return rows.length > 0;
    });
    stop.abort();
    // Sooner than the statement's own time-out, which would end it with the same code.
    const late = sleep(STOPPED_WITHIN_MS).then(() => "still running");
    return Promise.race([ended.catch((error: unknown) => error), late]);
  });
  expect(isCode(await lock, "database-timeout")).toBe(true);
  await pool.close(1_000);
});
