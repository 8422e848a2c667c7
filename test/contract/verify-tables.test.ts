import { afterEach, beforeEach, expect, test } from "bun:test";

import { uuidv7 } from "#kernel/ids.ts";
import { recordUnchanged } from "#store/idempotency.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { allViews, ensureViews } from "#test/support/loops.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";
import { brokenIn, threeMonths } from "#test/support/verified.ts";
import { leaseViews } from "#test/support/views.ts";

let store: TestStore;
let oldest = "";

beforeEach(async () => {
  store = await openStore();
  await ensureViews(store.pool, allViews);
  [oldest = ""] = await threeMonths(store);
});
afterEach(() => closeStore(store));

/** What is found after the statements, which go past every function and constraint. */
async function afterPlanting(...statements: readonly string[]) {
  for (const text of statements) await store.sql.unsafe(text).simple();
  return brokenIn(store.database.url);
}

const at = expect.any(String) as unknown;

/** Rows of idempotency keys: key, stream, versions, as columns of the table. */
const claims = (...rows: readonly string[]) =>
  `insert into varve.idempotency
     (principal, key, fingerprint, aggregate_type, aggregate_id, from_version, to_version)
     values ${rows.map((row) => `('key:a', ${row})`).join(", ")}`;

const claim = (
  key: string,
  aggregateId: string,
  [fromVersion, toVersion]: readonly [number, number],
  [version, fromPosition, toPosition]: readonly (number | null)[],
) => {
  const stream = { aggregateType: "Thing", aggregateId, fromVersion, toVersion, version };
  return { principal: "key:a", key, ...stream, fromPosition, toPosition };
};

test("verify finds nothing when views, leases and keys are as the service leaves them", async () => {
  await leaseViews(store.pool, uuidv7(), allViews);
  const idempotency = { principal: "key:a", key: "k", fingerprint: "f" };
  await appendAll(store.pool, { ...appendTo("d", 2, 3), idempotency }, appendTo("e", null));
  expect(await afterPlanting()).toEqual({});
});

test("verify finds no idempotency key of a command that changed nothing", async () => {
  const claimed = { principal: "key:a", fingerprint: "f" };
  const thing = { aggregateType: "Thing" };
  const known = { ...thing, aggregateId: "a", version: 3 };
  const unknown = { ...thing, aggregateId: "nobody", version: 0 };
  expect(await recordUnchanged(store.pool, { ...claimed, key: "known" }, known)).toBe(true);
  expect(await recordUnchanged(store.pool, { ...claimed, key: "unknown" }, unknown)).toBe(true);
  expect(await afterPlanting(claims("'past', 'f', 'Thing', 'a', 5, 4"))).toEqual({
    idempotency: [claim("past", "a", [5, 4], [3, null, null])],
  });
});

test("verify finds the idempotency keys when they lead to nothing", async () => {
  expect(
    await afterPlanting(
      claims(
        "'whole', 'f', 'Thing', 'd', 1, 2",
        "'no stream', 'f', 'Thing', 'nobody', 1, 1",
        "'past', 'f', 'Thing', 'd', 2, 3",
        "'gone', 'f', 'Thing', 'c', 2, 2",
      ),
      "delete from varve.events where position = 6",
    ),
  ).toMatchObject({
    idempotency: [
      claim("gone", "c", [2, 2], [2, null, null]),
      claim("no stream", "nobody", [1, 1], [null, null, null]),
      claim("past", "d", [2, 3], [2, 8, null]),
    ],
  });
});

test("verify finds no idempotency key of events that are archived with their month", async () => {
  const remembered = claims(
    "'archived', 'f', 'Thing', 'a', 1, 2",
    "'past', 'f', 'Thing', 'a', 3, 4",
  );
  expect(
    await afterPlanting(
      remembered,
      `update varve.idempotency set created_at = (
         select min(created_at) from varve.events where aggregate_id = 'a')`,
      `alter table varve.events detach partition varve.${oldest}`,
      `update varve.event_partitions set state = 'archived' where name = '${oldest}'`,
    ),
  ).toEqual({ idempotency: [claim("past", "a", [3, 4], [3, 4, null])] });
});

test("verify finds the checkpoints when they are outside the log", async () => {
  expect(
    await afterPlanting(
      "alter table varve.checkpoints drop constraint checkpoints_position_check",
      `update varve.checkpoints set (position, proof_position) = (
         select p, p from (select case subscription
           when 'orders' then 9 when 'customers' then -1 else 8 end) at (p))`,
    ),
  ).toEqual({
    checkpoints: [
      { subscription: "customers", partition: 0, position: -1, epoch: 0, head: 8 },
      { subscription: "orders", partition: 0, position: 9, epoch: 0, head: 8 },
    ],
  });
});

test("verify knows the end of the log by the register when every month is archived", async () => {
  expect(
    await afterPlanting(
      "update varve.event_partitions set last_position = 8 where first_position = 6",
      "update varve.checkpoints set position = 8, proof_position = 8",
      `do $$ declare name text; begin
         for name in select p.name from varve.event_partitions p where p.first_position is not null
         loop
           execute format('alter table varve.events detach partition varve.%I', name);
         end loop;
       end $$`,
      "update varve.event_partitions set state = 'archived' where first_position is not null",
    ),
  ).toEqual({});
});

test("verify finds the leases when they fence nobody or never end", async () => {
  const lease = (subscription: string, epoch: number, ends: string) =>
    `insert into varve.leases (subscription, owner, epoch, expires_at)
       values ('${subscription}', gen_random_uuid(), ${epoch}, ${ends})`;
  expect(
    await afterPlanting(
      "update varve.checkpoints set epoch = 3",
      lease("customers", 3, "now() + interval '4 s'"),
      lease("orders", 4, "now()"),
      lease("sales", 0, "now()"),
      lease("stray", 1, "'infinity'"),
    ),
  ).toEqual({
    leases: [
      { subscription: "orders", partition: 0, epoch: 4, checkpointEpoch: 3, expiresAt: at },
      { subscription: "sales", partition: 0, epoch: 0, checkpointEpoch: 3, expiresAt: at },
      { subscription: "stray", partition: 0, epoch: 1, checkpointEpoch: null, expiresAt: at },
    ],
  });
});

test("verify finds the dead letters when they are outside the log", async () => {
  const letter = (position: number) => `('orders', 'k', ${position}, 'invalid-data')`;
  expect(
    await afterPlanting(
      `insert into varve.dead_letters (subscription, key, position, error_code)
         values ${[0, 1, 8, 9].map(letter).join(", ")}`,
    ),
  ).toEqual({
    "dead-letters": [
      { id: 1, subscription: "orders", partition: 0, position: 0, head: 8 },
      { id: 4, subscription: "orders", partition: 0, position: 9, head: 8 },
    ],
  });
});

test("verify finds the views when they lack a table, a view or a checkpoint", async () => {
  expect(
    await afterPlanting(
      "drop view varve_views.customers",
      "drop table varve_views.orders_v1 cascade",
      "delete from varve.checkpoints where subscription = 'sales'",
    ),
  ).toEqual({
    views: [
      { name: "customers", version: 1, table: "customers_v1", lacks: "view" },
      { name: "orders", version: 1, table: "orders_v1", lacks: "table" },
      { name: "orders", version: 1, table: "orders_v1", lacks: "view" },
      { name: "sales", version: 1, table: "sales_v1", lacks: "checkpoint" },
    ],
  });
});

test("verify finds the settings when a role or the database trades durability away", async () => {
  const name = new URL(store.database.url).pathname.slice(1);
  const role = `r_${crypto.randomUUID().replaceAll("-", "")}`;
  await store.sql.unsafe(`alter database ${name} set synchronous_commit = off`);
  await store.sql.unsafe(`create role ${role}`);
  await store.sql.unsafe(`alter role ${role} in database ${name} set synchronous_commit = 'no'`);
  try {
    const { durability = [] } = await brokenIn(store.database.url, { durability: true });
    const rows = durability as readonly Readonly<Record<string, string>>[];
    expect(rows.filter((row) => row["setting"] === "synchronous_commit")).toEqual([
      { setting: "synchronous_commit", value: "off", place: `database ${name}` },
      { setting: "synchronous_commit", value: "no", place: `role ${role} database ${name}` },
      { setting: "synchronous_commit", value: "off", place: "session" },
    ]);
  } finally {
    await store.sql.unsafe(`drop role ${role}`);
  }
});
