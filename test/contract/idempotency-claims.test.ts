import { afterAll, beforeAll, expect, test } from "bun:test";

import { uuidv7 } from "#kernel/ids.ts";
import { appendBatch, type Append } from "#store/append.ts";
import { expireIdempotency, findIdempotentResult } from "#store/idempotency.ts";
import { openPool, type Pool } from "#store/pool.ts";
import { freshDatabase, type TestDatabase } from "#test/database.ts";

let database: TestDatabase;
let pools: readonly Pool[];

const openTestPool = (): Pool =>
  openPool({
    url: database.url,
    size: 4,
    applicationName: "test idempotency",
    statementTimeoutMs: 10_000,
    acquireTimeoutMs: 10_000,
    prepare: true,
    ssl: false,
  });

beforeAll(async () => {
  database = await freshDatabase();
  pools = [openTestPool(), openTestPool()];
});
afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.close(1_000)));
  await database.drop();
});

const appendOf = (
  aggregateId: string,
  key: string,
  expectedVersion: number | null = 0,
): Append => ({
  aggregateType: "Test",
  aggregateId,
  expectedVersion,
  events: [
    {
      id: uuidv7(),
      type: "Tested",
      schemaVersion: 1,
      timestamp: "2026-11-01T00:00:00.000000Z",
      payload: {},
      metadata: {},
      subjectKeys: [],
    },
  ],
  idempotency: { principal: "key:a", key, fingerprint: "f" },
});

const send = async (pool: Pool | undefined, ...appends: readonly Append[]) => {
  if (pool === undefined) throw new Error("there are two pools");
  return (await appendBatch(pool, JSON.stringify(appends))).map(({ outcome }) => outcome);
};

const count = async (table: string, where: string): Promise<number> => {
  const text = `select count(*) as rows from varve.${table} where ${where}`;
  const [row] = (await pools[0]?.query<{ rows: number }>({ name: "count", text }, [])) ?? [];
  return row?.rows ?? -1;
};

test("one of two instances appends when both bring a new key for another stream", async () => {
  for (let round = 0; round < 25; round += 1) {
    const key = `race-${round}`;
    const [left, right] = await Promise.all([
      send(pools[0], appendOf(`left-${round}`, key)),
      send(pools[1], appendOf(`right-${round}`, key)),
    ]);
    expect(new Set([...left, ...right])).toEqual(new Set(["appended", "replayed"]));
  }
  expect(await count("streams", "aggregate_id ~ '^(left|right)-'")).toBe(25);
  expect(await count("events", "aggregate_id ~ '^(left|right)-'")).toBe(25);
});

test("a key is given back when its append conflicts", async () => {
  await send(pools[0], appendOf("taken", "k-first"));
  expect(await send(pools[0], appendOf("taken", "k-second"))).toEqual(["conflict"]);
  expect(await findIdempotentResult(pools[0] as Pool, "key:a", "k-second")).toBeUndefined();
  expect(await send(pools[0], appendOf("taken", "k-second", 1))).toEqual(["appended"]);
});

test("a key is given back when two instances make one stream and it loses", async () => {
  for (let round = 0; round < 25; round += 1) {
    const id = `made-${round}`;
    await Promise.all([
      send(pools[0], appendOf(id, `made-left-${round}`)),
      send(pools[1], appendOf(id, `made-right-${round}`)),
    ]);
  }
  expect(await count("idempotency", "key like 'made-%'")).toBe(25);
  expect(await count("events", "aggregate_id like 'made-%'")).toBe(25);
});

test("the neighbours of a replayed append are appended when they share its batch", async () => {
  await send(pools[0], appendOf("known", "k-known"));
  const outcomes = await send(
    pools[0],
    appendOf("before", "k-before"),
    appendOf("known-again", "k-known"),
    appendOf("after", "k-after", null),
  );
  expect(outcomes).toEqual(["appended", "replayed", "appended"]);
  expect(await count("streams", "aggregate_id = 'known-again'")).toBe(0);
});

test("a batch is refused when two of its appends bring the same key", async () => {
  const batch = [appendOf("twin-1", "k-twin"), appendOf("twin-2", "k-twin")];
  expect(send(pools[0], ...batch)).rejects.toMatchObject({ context: { sqlState: "VA003" } });
  expect(await count("streams", "aggregate_id like 'twin-%'")).toBe(0);
});

test("an append that lost its reply is recognised by its event ids when it brought a key", async () => {
  const append = appendOf("lost", "k-lost");
  expect(await send(pools[0], append)).toEqual(["appended"]);
  expect(await send(pools[0], append)).toEqual(["already"]);
});

test("keys go by age, the oldest first, when they expire in batches", async () => {
  const [pool] = pools;
  const keys = await count("idempotency", "true");
  expect(await expireIdempotency(pool as Pool, { ageMs: 60_000, limit: 10 })).toBe(0);
  expect(await expireIdempotency(pool as Pool, { ageMs: 0, limit: 10 })).toBe(10);
  expect(await count("idempotency", "true")).toBe(keys - 10);
  expect(await count("idempotency", "key = 'race-0'")).toBe(0);
});
