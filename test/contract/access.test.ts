import { afterAll, beforeAll, expect, test } from "bun:test";
import type postgres from "postgres";

import { queries } from "#store/statements.ts";
import { assertNothingLeftOpen, freshDatabase, type TestDatabase } from "#test/database.ts";
import { appendTo } from "#test/support/appends.ts";
import { allViews, ensureViews } from "#test/support/loops.ts";
import { openSql, openTestPool } from "#test/support/pools.ts";

let database: TestDatabase;
let sql: postgres.Sql;
beforeAll(async () => {
  database = await freshDatabase();
  sql = openSql(database.url);
  const pool = openTestPool(database.url);
  await ensureViews(pool, allViews);
  await pool.close(1_000);
});
afterAll(async () => {
  await sql.end({ timeout: 1 });
  await assertNothingLeftOpen(database.url);
  await database.drop();
});

/** How the statement ends for the role of a service; nothing of it stays. */
const asApp = (text: string, parameters: readonly (string | number | boolean | null)[] = []) => {
  const undo = new Error("undo");
  return sql
    .begin(async (tx) => {
      await tx`set local role varve_app`;
      await tx.unsafe(text, [...parameters]);
      throw undo;
    })
    .catch((error: Error & { code?: string }) => (error === undo ? "done" : (error.code ?? error)));
};

const DENIED = "42501";

/** What a service never does with its own role: it drops tables, or writes events as it is told. */
const ownersAlone = new Set([
  "abandonRestore",
  "attachPartition",
  "beginArchive",
  "beginRestore",
  "benchCeiling",
  "benchFillMonth",
  "finishArchive",
  "holdPartition",
  "loadPartition",
  "markFrozen",
]);

test("role of the service runs every query but the owner's when it is asked", async () => {
  const id = "0198c0de-0000-7000-8000-000000000001";
  const hash = "00".repeat(32);
  const [partition] = await sql<{ name: string }[]>`select name from varve.event_partitions`;
  const month = partition?.name ?? "";
  const batch = JSON.stringify([appendTo("by-the-app", 0)]);
  const calls: Readonly<
    Record<keyof typeof queries, readonly (string | number | boolean | null)[]>
  > = {
    abandonRestore: [id, "events_2026_01"],
    acquireLeases: [id, '[{"name":"orders","version":1}]', 1_000, "[]"],
    appendEvents: [batch, null],
    acquirePartitionLease: [id, 1],
    advanceCheckpoint: ["orders", 0, 0, 0, 0, "[]", "[]", "[]"],
    advanceCheckpoints: ["[]"],
    applyProjection: ["orders", 0, 0, 0, 0, "[]", "[]", "[]", "[]"],
    attachPartition: [id, "events_2026_01"],
    auditProof: ["orders", 0, 100],
    beginArchive: [id, "events_2026_01"],
    beginRestore: [id, "events_2026_01"],
    benchCeiling: [1, 1],
    benchFillMonth: [0, 1, 1, 1, "[]"],
    benchMakeMonths: [0],
    cancelStatements: ["nobody"],
    claimCanary: ["k", "00".repeat(62)],
    claimIdempotency: ["key:a", "k", "f", "Thing", "none", 0],
    claimSubjectKeys: ["[]"],
    closePartitions: [0, null],
    compareDocuments: ["orders", "customers", null, 1, null, null, 1],
    countDeadLetters: [null, "orders", null, null],
    createApiKey: ["id", "name", hash, '["*"]'],
    declareSubscription: ["mails", "reactor", 1, null, null, 0],
    discardDeadLetter: [1, "why"],
    dropSnapshots: ["Thing", '["a"]', 1],
    dropViewVersion: ["orders", "previous"],
    ensureNextPartition: [null],
    endDetach: [],
    ensurePartitions: [4, null],
    ensureView: ["things", 1, '["field"]', "f", '["Happened"]', 1, 0, null],
    expireIdempotency: [1, 1, null],
    findActiveKeys: ["default", `["${hash}"]`],
    findAggregateType: [null],
    findApiKey: [hash],
    findIdempotentResult: ["key:a", "k"],
    findKeys: [`["${id}"]`],
    findStreamPage: ["Thing", "", 1],
    finishArchive: [id, "events_2026_01", "{}"],
    holdPartition: ["events_2026_01", "why"],
    listApiKeys: [],
    listAttachedPartitions: [],
    listCanaries: [],
    listDeadLetters: [0, 1, null, "orders", "waiting", null, null],
    listDocuments: ["orders", "[]", true, null, null, 1],
    listKekIds: [],
    listMigrations: [],
    listSnapshots: [],
    listSubscriptions: [null],
    listUnsnapshotted: ["Thing", 1, 1, "", 1],
    loadAggregate: ["Thing", "by-the-app", 1, 10],
    listPartitions: [1],
    loadPartition: [id, "events_2026_01", "[]"],
    markFrozen: ["events_2026_01"],
    pauseSubscription: ["orders", true, "why"],
    positionAt: ["2026-01-01T00:00:00Z"],
    readAfter: [0, 10],
    readBackend: [],
    readCheckpoints: [],
    readDocuments: ["orders", '["a"]'],
    readDiscarded: ["orders", 0, 1, 10],
    readDueLetters: ["orders", 0, 10],
    readHead: [],
    readLogPage: [0, 10, '["Happened"]', 100, 1_000],
    readStreamPage: ["Thing", "by-the-app", 1, 9, 10, false, null, null, 1_000],
    readHealth: ["2026-01-01T00:00:00Z"],
    readPartition: [month, 0, 1, 1],
    readServer: [],
    readProjection: ["orders", '["a"]', '["a"]', '["Order-a"]'],
    readProof: ["orders"],
    readStream: ["Thing", "by-the-app", 1, 9, 10, false, null, null],
    readSubscriptionPage: [0, 10, '["Happened"]', null, 100, 1_000],
    readWaitingStreams: ["orders", '["Order-a"]'],
    rebuildView: ["orders", null],
    recordCrash: ['[{"subscription":"orders","position":1,"attemptsMax":3,"delayMs":10}]'],
    recordUpkeep: [null],
    releaseLease: [id, "orders", 0],
    releaseLeases: [id],
    resetSubscription: ["orders", 0],
    retryDeadLetters: [null, "orders", null, null],
    revokeApiKey: ["id"],
    rollbackView: ["orders"],
    saveSnapshot: ["Thing", "by-the-app", 1, 1, "2026-01-01T00:00:00Z", 1, "{}", `["${id}"]`],
    swapView: ["orders"],
    verifyCheckpoints: [],
    verifyCreatedAt: ["2026-01-01Z", "2026-02-01Z"],
    verifyDeadLetters: [],
    verifyDurability: [],
    verifyEventIds: [],
    verifyEventPartitions: [],
    verifyIdempotency: [],
    verifyLeases: [],
    verifyPartitionBounds: [],
    verifyPartitionIndexes: [],
    verifyPositions: ["2026-01-01Z", "2026-02-01Z"],
    verifyProofs: [],
    verifyRegister: [],
    verifyStreamVersions: ["Thing", "", null],
    verifyStreams: ["Thing", "", null],
    verifySubjectKeys: ["2026-01-01Z", "2026-02-01Z"],
    verifyViews: [],
  };
  const ends: Record<string, unknown> = {};
  for (const [name, parameters] of Object.entries(calls)) {
    ends[name] = await asApp(queries[name as keyof typeof queries].text, parameters);
  }
  const expected = Object.keys(calls).map((name) => [
    name,
    ownersAlone.has(name) ? DENIED : "done",
  ]);
  expect(ends).toEqual(Object.fromEntries(expected));
});

test("role of the service reads every table and writes none when it tries", async () => {
  const tables = await sql<{ name: string; column: string }[]>`
    select format('%I.%I', n.nspname, c.relname) as name,
           (select quote_ident(a.attname) from pg_attribute a
             where a.attrelid = c.oid and a.attnum = 2) as "column"
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname in ('varve', 'varve_views') and c.relkind in ('r', 'p', 'v')`;
  expect(tables.length).toBeGreaterThan(20);
  const ends: unknown[] = [];
  for (const { name, column } of tables) {
    ends.push([
      name,
      await asApp(`select * from ${name} limit 1`),
      await asApp(`insert into ${name} default values`),
      await asApp(`update ${name} set ${column} = ${column}`),
      await asApp(`delete from ${name}`),
      await asApp(`truncate ${name}`),
    ]);
  }
  const expected = tables.map(({ name }) => [name, "done", DENIED, DENIED, DENIED, DENIED]);
  // What a view cannot do is refused for that, before anybody's rights are looked at: TRUNCATE of
  // any, and writing at all where its rows come from several tables.
  const outbox = expected.find(([name]) => name === "varve.outbox");
  expect(outbox?.splice(2, 4, "55000", "55000", "55000", "42809")).toHaveLength(4);
  const views = new Set(allViews.map((view) => `varve_views.${view.name}`));
  for (const row of expected) if (views.has(row[0] ?? "")) row[5] = "42809";
  expect(ends).toEqual(expected);
});

test("role of the service changes no schema and grants nothing when it tries", async () => {
  const ends: unknown[] = [];
  for (const text of [
    "create table varve.mine ()",
    "create function varve.mine() returns int language sql as 'select 1'",
    "drop table varve.events",
    "alter function varve.log_head() security invoker",
    "select varve.grant_rights()",
  ]) {
    ends.push(await asApp(text));
  }
  expect(ends).toEqual([DENIED, DENIED, DENIED, DENIED, DENIED]);
});

test("functions are nobody else's when a role without rights calls them", async () => {
  const callable = await sql<{ name: string }[]>`
    select p.proname as name from pg_proc p
     where p.pronamespace = 'varve'::regnamespace
       and has_function_privilege('public', p.oid, 'execute')`;
  expect([...callable]).toEqual([]);
});

/** They read nothing and run with their caller's rights, so that a plan can take them in. */
const arithmetic = ["covers", "position_hash", "stream_partition"];

test("functions look names up in pg_catalog alone when they are defined", async () => {
  const open = await sql<{ name: string }[]>`
    select p.proname as name from pg_proc p
     where p.pronamespace = 'varve'::regnamespace and p.proname <> 'grant_rights'
       and not p.proname = any (${arithmetic})
       and (not p.prosecdef
            or not 'search_path=pg_catalog, pg_temp' = any (coalesce(p.proconfig, '{}')))`;
  expect([...open]).toEqual([]);
  const pure = await sql<{ name: string }[]>`
    select p.proname as name from pg_proc p
     where p.pronamespace = 'varve'::regnamespace and p.provolatile = 'i' and not p.prosecdef
     order by 1`;
  expect(pure.map(({ name }) => name)).toEqual(arithmetic);
});
