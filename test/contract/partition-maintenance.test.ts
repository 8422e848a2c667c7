import { existsSync } from "node:fs";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "bun:test";

import { monotonicMs, type Clock } from "#kernel/clock.ts";
import type { Logger } from "#kernel/log.ts";
import { listPartitions, withPartitionLease } from "#store/partitions/register.ts";
import { tablePoolOptions } from "#store/partitions/tables.ts";
import type { Pool } from "#store/pool.ts";
import { createMaintenance, type MaintenanceOptions } from "#subscription/maintenance.ts";
import {
  allRows,
  restore,
  settleThreeMonths,
  closeArchives,
  openArchives,
} from "#test/support/archives.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { forgetMonth, settleMonth } from "#test/support/months.ts";
import { openSql } from "#test/support/pools.ts";
import type { TestStore } from "#test/support/store.ts";
import { until } from "#test/until.ts";

let store: TestStore;
let direct: Pool;
let folder: string;
beforeEach(async () => {
  ({ store, direct, folder } = await openArchives());
});
afterEach(() => closeArchives({ store, direct, folder }));

/** The upkeep of one instance, and the lines of its log that somebody should read. */
function upkeep(changed: Partial<MaintenanceOptions> = {}, clock: Clock = monotonicMs) {
  const told: unknown[] = [];
  const keep: Logger["error"] = ({ code }) => void told.push(code);
  const log: Logger = { debug: () => undefined, info: () => undefined, warn: keep, error: keep };
  const options: MaintenanceOptions = {
    direct: tablePoolOptions({ url: store.database.url, ssl: false }),
    archiveDirectory: folder,
    retentionMonths: undefined,
    ...changed,
  };
  return { ...createMaintenance(store.pool, options, { log, clock }), told };
}

const lastRun = async () => {
  const [row] = await store.sql<{ last_error: string | null; failures: number }[]>`
    select last_error, failures from varve.partition_upkeep`;
  return row === undefined ? undefined : [row.last_error, row.failures];
};

const states = async () => (await listPartitions(direct)).map(({ state }) => state);

test("month that is over is closed and frozen, and the next ones are made when it runs", async () => {
  const { sql, pool } = store;
  const { name } = await settleMonth(sql, { monthsAgo: 1, streams: ["a", "a", "b"] });
  await forgetMonth(sql, -2);
  const { run, told } = upkeep();
  await run();
  const all = await listPartitions(direct);
  expect(all.map(({ closed }) => closed)).toEqual([true, false, false, false, false]);
  const [first] = all;
  expect([first?.name, first?.lastPosition, first?.frozenAt === null]).toEqual([name, 3, false]);
  const [table] = await sql<{ visible: boolean }[]>`
    select relpages > 0 and relallvisible = relpages as visible
      from pg_class where oid = ${`varve.${name}`}::regclass`;
  expect(table).toEqual({ visible: true });
  const [outcome] = await appendAll(pool, appendTo("a", 2));
  expect(outcome).toMatchObject({ outcome: "appended", position: 4 });
  // Once for all.
  await run();
  expect((await listPartitions(direct))[0]?.frozenAt).toBe(first?.frozenAt ?? "");
  expect([told, await lastRun()]).toEqual([[], [null, 0]]);
});

test("month is frozen an hour later when somebody's snapshot keeps it from it", async () => {
  const { sql, database } = store;
  const other = openSql(database.url);
  let nowMs = 0;
  const { run, told } = upkeep({}, () => nowMs);
  const frozen = async () => {
    await run();
    return (await listPartitions(direct))[0]?.frozenAt !== null;
  };
  const seen: boolean[] = [];
  await other.begin("isolation level repeatable read", async (tx) => {
    await tx`select count(*) from varve.streams`;
    await settleMonth(sql, { monthsAgo: 1, streams: ["a", "a", "b"] });
    seen.push(await frozen());
  });
  await other.end();
  seen.push(await frozen());
  nowMs += 60 * 60_000;
  await until("nobody's snapshot is left", frozen);
  expect([seen, told]).toEqual([[false, false], []]);
});

test("month stays open when the clock of the database is not to be believed", async () => {
  const { sql, pool } = store;
  await settleMonth(sql, { monthsAgo: 1, streams: ["a"] });
  const [row] = await sql<{ code: string }[]>`
    select 'closed' as code from varve.close_partitions(0, now() - interval '2 hours')`.catch(
    (error: Error & { code: string }) => [{ code: error.code }],
  );
  expect(row?.code).toBe("VA007");
  // Nor does retention believe it, where there is nothing to close.
  await sql`update varve.event_partitions set last_position = 1 where first_position = 1`;
  const again = sql`select varve.close_partitions(0, now() - interval '2 hours')`;
  expect(await again.catch((error: Error & { code: string }) => error.code)).toBe("VA007");
  await sql`update varve.event_partitions set last_position = null`;
  expect((await listPartitions(pool))[0]?.closed).toBe(false);
});

test("retention archives what is old, and leaves what is needed, held or brought back", async () => {
  const { sql } = store;
  const [first, second] = await settleThreeMonths(sql);
  const before = await allRows(sql);
  const { run, told } = upkeep({ retentionMonths: 1 });
  await sql`insert into varve.checkpoints (subscription, position) values ('slow', 25)`;
  await run();
  expect(await states()).toEqual(["archived", ...Array<"attached">(5).fill("attached")]);
  expect(existsSync(join(folder, first, "manifest.json"))).toBe(true);
  await sql`update varve.checkpoints set position = 52`;
  await sql`update varve.event_partitions set hold_reason = 'case 7' where name = ${second}`;
  await run();
  expect((await states())[1]).toBe("attached");
  await sql`update varve.event_partitions set hold_reason = null where name = ${second}`;
  await run();
  expect((await states()).slice(0, 2)).toEqual(["archived", "archived"]);
  await restore(direct, first);
  await restore(direct, second);
  await run();
  expect((await states()).slice(0, 2)).toEqual(["attached", "attached"]);
  expect(await allRows(sql)).toEqual(before);
  expect([told, await lastRun()]).toEqual([[], [null, 0]]);
});

test("trouble is logged once, and every run counts, when the folder cannot be written", async () => {
  await settleThreeMonths(store.sql);
  const broken = upkeep({ retentionMonths: 1, archiveDirectory: "/dev/null/archive" });
  await broken.run();
  await broken.run();
  expect([broken.told, await lastRun()]).toEqual([
    ["service-unavailable"],
    ["service-unavailable", 2],
  ]);
  // Nobody who reads has lost anything by it.
  expect(new Set(await states())).toEqual(new Set(["attached"]));
  await upkeep({ retentionMonths: 1 }).run();
  expect(await lastRun()).toEqual([null, 0]);
});

test("trouble is told once, and nothing fails, when the role does not own the partitions", async () => {
  const { sql, database } = store;
  await settleThreeMonths(sql);
  const role = `app_${crypto.randomUUID().slice(0, 8)}`;
  await sql`create role ${sql(role)} login password 'app' in role varve_app`;
  const url = new URL(database.url);
  url.username = role;
  url.password = "app";
  const stranger = upkeep({
    retentionMonths: 1,
    direct: tablePoolOptions({ url: url.href, ssl: false }),
  });
  await stranger.run();
  await stranger.run();
  expect([stranger.told, await lastRun()]).toEqual([["not-owner"], ["not-owner", 2]]);
  expect(new Set(await states())).toEqual(new Set(["attached"]));
  await sql`drop role ${sql(role)}`;
});

test("run leaves everything alone when another has the lease", async () => {
  await settleThreeMonths(store.sql);
  const { run, told } = upkeep({ retentionMonths: 1 });
  await withPartitionLease(direct, run);
  expect([told, await lastRun(), new Set(await states())]).toEqual([
    [],
    undefined,
    new Set(["attached"]),
  ]);
});
