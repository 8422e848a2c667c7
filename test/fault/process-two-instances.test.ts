import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";

import { freshDatabase, type TestDatabase } from "#test/database.ts";
import { createOrder, shownOrder } from "#test/support/caller.ts";
import { caughtUp, logFaults, viewFaults, withSql } from "#test/support/invariants.ts";
import { randomFrom, startLoad } from "#test/support/load.ts";
import { createKey, endServices, startService } from "#test/support/service.ts";
import { until } from "#test/until.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await freshDatabase();
});
afterEach(endServices);
afterAll(async () => database.drop());

/** Who holds leases now, in order of start. */
const holders = (): Promise<readonly string[]> =>
  withSql(database.url, async (sql) => {
    const rows = await sql<{ owner: string }[]>`
      select distinct owner from varve.leases
       where expires_at > clock_timestamp() and subscription not like '$%'
       order by owner`;
    return rows.map(({ owner }) => owner);
  });

test("two instances serve one database, and one goes on when the other is killed", async () => {
  const options = { databaseUrl: database.url };
  const key = await createKey(options);
  const first = await startService(options);
  await until("the first one holds the leases", async () => (await holders()).length === 1);
  const [firstOwner = ""] = await holders();
  const second = await startService(options);
  await until("they share the leases", async () => (await holders()).length === 2);
  const both = await holders();
  expect(both[0]).toBe(firstOwner);

  let turn = 0;
  const target = () => ({ url: [first, second][(turn += 1) % 2]?.url ?? "", key });
  const load = startLoad({ target, writers: 16, random: randomFrom(2), retries: 0 });
  await until("there is load", () => load.answers.length > 300, 30_000);
  expect(await holders()).toEqual(both);
  await load.stop();
  await caughtUp(database.url);
  expect(await logFaults(database.url, load.answers)).toEqual([]);
  expect(await viewFaults(database.url)).toEqual([]);
  const allowed = new Set(["404", "409"]);
  expect([...load.refusals.keys()].filter((what) => !allowed.has(what))).toEqual([]);

  await first.stop("SIGKILL");
  const startedMs = performance.now();
  const other = { url: second.url, key };
  const late = await createOrder(other, "after-the-kill");
  await shownOrder(other, "after-the-kill", 1, 15_000);
  const isAlone = async () => (await holders()).every((owner) => owner === both[1]);
  await until("the second one has them all", isAlone, 15_000);
  await caughtUp(database.url);
  const takeoverMs = Math.round(performance.now() - startedMs);
  // A lease lasts 3 s, and the other one looks every 0.7 s.
  expect(takeoverMs).toBeLessThan(7_000);
  expect(await logFaults(database.url, [...load.answers, late])).toEqual([]);
  expect(await viewFaults(database.url)).toEqual([]);
  expect(await second.stop()).toEqual({ code: 0, signal: null });
}, 60_000);
