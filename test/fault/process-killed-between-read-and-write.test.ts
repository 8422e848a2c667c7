import { afterEach, beforeEach, expect, test } from "bun:test";

import { freshDatabase, type TestDatabase } from "#test/database.ts";
import { createOrder, shownOrder, type Target } from "#test/support/caller.ts";
import { caughtUp, logFaults, type Sql, viewFaults, withSql } from "#test/support/invariants.ts";
import { createKey, endServices, type Service, startService } from "#test/support/service.ts";
import { until } from "#test/until.ts";

let database: TestDatabase;
let key = "";

beforeEach(async () => {
  database = await freshDatabase();
  key = await createKey({ databaseUrl: database.url });
});
afterEach(async () => {
  await endServices();
  await database.drop();
});

const targetOf = ({ url }: Service): Target => ({ url, key });

/** Sessions of a worker that wait for a lock. */
const waiting = async (sql: Sql): Promise<number> => {
  const rows = await sql`
    select from pg_stat_activity
     where datname = current_database() and wait_event_type = 'Lock'
       and application_name like 'varve worker%'`;
  return rows.length;
};

/** A worker of the lightest pool writes as many at once. */
const WRITES = 2;

/** Kills the service once its views have read a page that none of them can write. */
async function killBetween(sql: Sql): Promise<void> {
  const service = await startService({ databaseUrl: database.url });
  await createOrder(targetOf(service), "before");
  await shownOrder(targetOf(service), "before");
  await caughtUp(database.url);
  await sql.unsafe("begin; select from varve.checkpoints for update");
  for (const id of ["a", "b", "c"]) await createOrder(targetOf(service), id);
  await until("views wait to write", async () => (await waiting(sql)) === WRITES);
  expect(await service.stop("SIGKILL")).toEqual({ code: null, signal: "SIGKILL" });
}

async function isWhole(): Promise<void> {
  const service = await startService({ databaseUrl: database.url });
  await createOrder(targetOf(service), "after");
  await caughtUp(database.url);
  expect(await logFaults(database.url, [])).toEqual([]);
  expect(await viewFaults(database.url)).toEqual([]);
  const taken = await withSql(
    database.url,
    (sql) => sql`
      select distinct taken_count as taken, events_processed as events,
          (select count(*) from varve.proof_faults) as faults
        from varve.checkpoints`,
  );
  expect([...taken]).toEqual([{ taken: 5, events: 5, faults: 0 }]);
  expect(await service.stop()).toEqual({ code: 0, signal: null });
}

test("views are whole when the process is killed and its statements take effect after it", async () => {
  await withSql(database.url, async (sql) => {
    await killBetween(sql);
    // The server goes on with what it was sent.
    expect(await waiting(sql)).toBe(WRITES);
    await sql.unsafe("commit");
  });
  await isWhole();
}, 40_000);

test("views are whole when the process is killed and its statements end with it", async () => {
  await withSql(database.url, async (sql) => {
    await killBetween(sql);
    await sql`
      select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and application_name like 'varve %'`;
    await until("they are gone", async () => (await waiting(sql)) === 0);
    await sql.unsafe("commit");
  });
  await isWhole();
}, 40_000);
