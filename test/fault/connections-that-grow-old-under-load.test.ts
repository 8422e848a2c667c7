import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";

import type { Pool, PoolOptions, Row } from "#store/pool.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";
import { openTestPool } from "#test/support/pools.ts";
import { until } from "#test/until.ts";

let store: TestStore;
let pool: Pool | undefined;
beforeAll(async () => {
  store = await openStore();
});
afterEach(() => pool?.close(1_000));
afterAll(() => closeStore(store));

const SIZE = 3;
const named = (applicationName: string, changed: Partial<PoolOptions>) =>
  (pool = openTestPool(store.database.url, { size: SIZE, applicationName, ...changed }));

const sessions = async (applicationName: string): Promise<number> => {
  const [row] = await store.sql<{ count: number }[]>`
    select count(*)::int from pg_stat_activity where application_name = ${applicationName}`;
  return row?.count ?? 0;
};

const backend = { name: "backend", text: "select pg_backend_pid() as pid where $1" };
const pidOf = async (from: Pool): Promise<number> => {
  const [row] = await from.query<Row & { pid: number }>(backend, [true]);
  return row?.pid ?? 0;
};

/** Leaves the session with so much to clear away that it takes a while to end. */
const litter = {
  name: "litter",
  text: `do $$ begin
    if to_regclass('pg_temp.litter_1') is null then
      for n in 1..20 loop execute format('create temp table litter_%s (id int primary key)', n); end loop;
    end if;
  end $$`,
};

test("no call fails for a session too many when they grow old under load", async () => {
  // The server itself counts: one more than the pool may have, and a call would fail with 53300.
  const role = `ageing_${new URL(store.database.url).pathname.slice(1)}`;
  await store.sql.unsafe(`create role ${role} login password 'p' connection limit ${SIZE}`);
  await store.sql.unsafe(`grant temporary on database ${store.sql.options.database} to ${role}`);
  const url = new URL(store.database.url);
  [url.username, url.password] = [role, "p"];
  const ageing = openTestPool(url.href, { size: SIZE, lifetimeMs: 30 });
  pool = ageing;
  const seen = new Set<number>();
  const callers = Array.from({ length: 4 * SIZE }, async () => {
    while (seen.size < 20) {
      await ageing.query(litter, []);
      seen.add(await pidOf(ageing));
    }
  });
  await Promise.all(callers);
  await ageing.close(1_000);
  await store.sql.unsafe(`drop owned by ${role}`);
  await store.sql.unsafe(`drop role ${role}`);
});

test("sessions do not end together when they began together", async () => {
  const [size, lifetimeMs] = [8, 2_500];
  const ageing = named("jittered", { size, lifetimeMs });
  const startMs = performance.now();
  const first = await Promise.all(Array.from({ length: size }, () => pidOf(ageing)));
  const missedAtMs = new Map<number, number>();
  await until("all have ended", async () => {
    const pids = await Promise.all(first.map(() => pidOf(ageing)));
    for (const pid of first.filter((one) => !pids.includes(one) && !missedAtMs.has(one))) {
      missedAtMs.set(pid, performance.now() - startMs);
    }
    return missedAtMs.size === size;
  });
  const ends = [...missedAtMs.values()];
  expect(Math.min(...ends)).toBeGreaterThanOrEqual(0.8 * lifetimeMs);
  expect(Math.max(...ends) - Math.min(...ends)).toBeGreaterThan(50);
});

test("idle sessions are closed to the last, and opened again when a call comes", async () => {
  const idle = named("idle", { idleMs: 100 });
  const before = new Set(await Promise.all([1, 2, 3].map(() => pidOf(idle))));
  expect(before.size).toBe(SIZE);
  await until("none is left", async () => (await sessions("idle")) === 0);
  expect(before.has(await pidOf(idle))).toBe(false);
});

test("sessions that are needed stay when the others have been idle for long", async () => {
  const idle = named("needed", { idleMs: 200 });
  await Promise.all([1, 2, 3].map(() => pidOf(idle)));
  const pids = new Set<number>();
  await until("one is left", async () => {
    pids.add(await pidOf(idle));
    return (await sessions("needed")) === 1;
  });
  expect(pids.size).toBe(1);
});

test("no call fails when the server has ended idle sessions", async () => {
  const pools = named("ended", {});
  await Promise.all([1, 2, 3].map(() => pidOf(pools)));
  await store.sql`select pg_terminate_backend(pid) from pg_stat_activity
                   where application_name = 'ended'`;
  await until("they are gone", async () => (await sessions("ended")) === 0);
  let turns = 0;
  await until("their farewells are read", () => (turns += 1) > 5);
  expect((await Promise.all([1, 2, 3].map(() => pidOf(pools)))).length).toBe(3);
});
