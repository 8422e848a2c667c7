import { afterEach, beforeEach, expect, test } from "bun:test";

import { sleep } from "#kernel/clock.ts";
import { freshDatabase, type TestDatabase } from "#test/database.ts";
import { createOrder, shownOrder, type Target } from "#test/support/caller.ts";
import { caughtUp, logFaults, viewFaults, withSql } from "#test/support/invariants.ts";
import { createKey, endServices, type Service, startService } from "#test/support/service.ts";
import { until } from "#test/until.ts";

let database: TestDatabase;
let service: Service;
let target: Target;

beforeEach(async () => {
  database = await freshDatabase();
  const key = await createKey({ databaseUrl: database.url });
  service = await startService({ databaseUrl: database.url });
  target = { url: service.url, key };
});
afterEach(async () => {
  await endServices();
  await database.drop();
});

const gap = 3;

const waits = (): Promise<boolean> =>
  withSql(database.url, async (sql) => {
    const rows = await sql`
      select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    return rows.length > 0;
  });

/** Takes an event out of the log that no view has read, so that they run into the gap. */
async function makeGap(): Promise<void> {
  await withSql(database.url, async (sql) => {
    await createOrder(target, "before");
    await shownOrder(target, "before");
    await sql.unsafe("begin; select from varve.checkpoints for update");
    await createOrder(target, "read");
    await until("the worker has read a page that it cannot write", waits);
    for (const id of ["taken-out", "after"]) await createOrder(target, id);
    await sql.unsafe(`
      create table taken_out as select * from varve.events where position = ${gap};
      delete from varve.events where position = ${gap};
      commit`);
  });
}

const closeGap = (): Promise<unknown> =>
  withSql(database.url, (sql) => sql`insert into varve.events select * from taken_out`);

const crashes = (): number =>
  service.log().filter(({ message }) => message === "the worker has crashed").length;

test("worker is started again when it has died", async () => {
  await makeGap();
  await until("the worker has crashed", () => crashes() > 0);
  await closeGap();
  await caughtUp(database.url);
  expect(await logFaults(database.url, [])).toEqual([]);
  expect(await viewFaults(database.url)).toEqual([]);
  const live = await fetch(`${service.url}/health/live`);
  expect([live.status, await live.json()]).toMatchObject([
    200,
    { alive: true, details: { worker: "running" } },
  ]);
  expect(await service.stop()).toEqual({ code: 0, signal: null });
}, 40_000);

test("process ends when its worker dies again and again, and answers until then", async () => {
  await makeGap();
  let ended = false;
  void service.exited.then(() => (ended = true));
  const answers: { readonly status: number; readonly ms: number }[] = [];
  for (let order = 0; !ended; order += 1) {
    const startedMs = performance.now();
    const status = await createOrder(target, `meanwhile-${order}`).then(
      () => 201,
      () => 0,
    );
    answers.push({ status, ms: performance.now() - startedMs });
    await sleep(100);
  }
  expect(await service.exited).toEqual({ code: 1, signal: null });
  expect(crashes()).toBe(5);

  // The last ones may have met the end.
  const served = answers.slice(0, -3);
  expect(served.length).toBeGreaterThan(10);
  expect(served.filter(({ status, ms }) => status !== 201 || ms > 1_000)).toEqual([]);

  await closeGap();
  service = await startService({ databaseUrl: database.url });
  await caughtUp(database.url);
  expect(await logFaults(database.url, [])).toEqual([]);
  expect(await viewFaults(database.url)).toEqual([]);
}, 90_000);
