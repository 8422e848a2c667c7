import { afterEach, beforeEach, expect, test } from "bun:test";

import { readStream } from "#store/events.ts";
import { findPartition, withPartitionLease } from "#store/partitions/register.ts";
import type { Pool } from "#store/pool.ts";
import { queries } from "#store/statements.ts";
import {
  allRows,
  archive,
  restore,
  settleThreeMonths,
  closeArchives,
  openArchives,
} from "#test/support/archives.ts";
import { holdOpen } from "#test/support/killed-verbs.ts";
import type { TestStore } from "#test/support/store.ts";

let store: TestStore;
let direct: Pool;
let folder: string;
beforeEach(async () => {
  ({ store, direct, folder } = await openArchives());
});
afterEach(() => closeArchives({ store, direct, folder }));

const refusal = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => "done",
    (error: Error & { code?: string }) => [error.code, error.message],
  );

test("partition is attached again when it was detached and not dropped", async () => {
  const { sql } = store;
  const [first] = await settleThreeMonths(sql);
  const before = await allRows(sql);
  const stop = new Error("stop");
  const onProgress = (): never => {
    throw stop;
  };
  const error = await archive(direct, first, folder, { onProgress }).catch((one: unknown) => one);
  expect(error).toBe(stop);
  expect(await findPartition(direct, first)).toMatchObject({ state: "detached", table: "apart" });
  await restore(direct, first);
  expect(await allRows(sql)).toEqual(before);
  const checks = await sql`select conname from pg_constraint
    where conrelid = ${`varve.${first}`}::regclass and contype = 'c'`;
  expect([...checks]).toEqual([]);
});

test("partition is attached again when it was detached and the register does not know", async () => {
  const { sql, pool } = store;
  const [first] = await settleThreeMonths(sql);
  const before = await allRows(sql);
  const range = { aggregateType: "Thing", aggregateId: "a-1", fromVersion: 1, toVersion: 99 };
  const read = () => refusal(readStream(pool, { ...range, limit: 99 }));
  await sql.unsafe(`alter table varve.events detach partition varve.${first} concurrently`);
  expect(await read()).toEqual(["partition-archived", "the database answered VA004"]);
  expect(await restore(direct, first)).toMatchObject({ state: "attached", table: "attached" });
  expect(await allRows(sql)).toEqual(before);
  expect(await read()).toBe("done");
});

test("detachment is finished first when it is half-way and the register does not know", async () => {
  const { sql, database } = store;
  const [first] = await settleThreeMonths(sql);
  const before = await allRows(sql);
  const release = await holdOpen(database.url, "select 1 from varve.events limit 1");
  const detached = direct
    .query(
      {
        name: "d",
        text: `alter table varve.events detach partition varve.${first} concurrently`,
      },
      [],
    )
    .catch((error: unknown) => error);
  expect(await detached).toMatchObject({ code: "database-timeout" });
  expect(await findPartition(direct, first)).toMatchObject({
    state: "attached",
    table: "pending",
  });
  const attach = withPartitionLease(direct, (owner) =>
    direct.query(queries.attachPartition, [owner, first]),
  );
  expect(await refusal(attach)).toEqual(["archive-damaged", "the database answered VA021"]);
  await release();
  expect(await restore(direct, first)).toMatchObject({ state: "attached", table: "attached" });
  expect(await allRows(sql)).toEqual(before);
});
