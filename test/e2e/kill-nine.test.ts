import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";

import { sleep } from "#kernel/clock.ts";
import { freshDatabase, type TestDatabase } from "#test/database.ts";
import { caughtUp, logFaults, viewFaults, withSql } from "#test/support/invariants.ts";
import { randomFrom, startLoad } from "#test/support/load.ts";
import { createKey, endServices, type Service, startService } from "#test/support/service.ts";

const kills = 10;
const seed = Number(process.env["VARVE_TEST_SEED"] ?? Date.now() % 1_000_000);

let database: TestDatabase;

beforeAll(async () => {
  database = await freshDatabase();
});
afterEach(endServices);
afterAll(async () => database.drop());

test("service loses nothing that it answered when it is killed ten times under load", async () => {
  console.log(`seed ${seed} (VARVE_TEST_SEED sets it)`);
  const options = { databaseUrl: database.url };
  const random = randomFrom(seed);
  const key = await createKey(options);
  let service: Service = await startService(options);
  const target = () => ({ url: service.url, key });
  const load = startLoad({ target, writers: 32, random: randomFrom(seed + 1), retries: Infinity });

  let output = "";
  for (let kill = 0; kill < kills; kill += 1) {
    // The moment is what the test is about: anywhere from the first request to full speed.
    await sleep(50 + random() * 600);
    expect(await service.stop("SIGKILL")).toEqual({ code: null, signal: "SIGKILL" });
    output += service.output();
    service = await startService(options);
  }
  await load.stop();
  await caughtUp(database.url);

  const { answers, refusals } = load;
  console.log(`${answers.length} answers, ${load.replays()} of them again; refused:`, refusals);
  expect(load.answers.length).toBeGreaterThan(5 * kills);
  expect(load.refusals.get("no answer") ?? 0).toBeGreaterThan(kills);
  expect(await logFaults(database.url, load.answers)).toEqual([]);
  expect(await viewFaults(database.url)).toEqual([]);
  expect(await service.stop()).toEqual({ code: 0, signal: null });
  output += service.output();
  expect(output.match(/.*"level":"error".*/g)).toBeNull();
}, 60_000);

test("check names each fault when the log and the views are damaged", async () => {
  const [event] = await withSql(
    database.url,
    (sql) => sql`
      delete from varve.events where position = 3
      returning aggregate_id, version, event_type, event_id`,
  );
  await withSql(database.url, async (sql) => {
    await sql`update varve.events set created_at = created_at - interval '10 s' where position = 9`;
    await sql`update varve.streams set version = version + 1 where version = 4`;
    await sql`update varve_views.sales_v1 set document = document || '{"orders": 0}'`;
    await sql`update varve.checkpoints set position = 0 where subscription = 'customers'`;
    await sql`update varve.event_partitions set first_position = 2 where first_position = 1`;
  });
  const id = String(event?.["aggregate_id"]);
  const events = [
    { id: String(event?.["event_id"]), type: "OrderCreated", version: 1, position: 3 },
  ];
  const faults = await logFaults(database.url, [
    { aggregate: "orders", id, version: 1, position: 3, events },
  ]);
  expect(faults.map((fault) => fault.replace(/: [[].*| o-.*/, ""))).toEqual([
    "not true: positions are 1, 2, 3 … without a gap",
    "not true: versions of a stream are 1, 2, 3 … in the order of positions",
    "not true: a stream's row has the version of its last event",
    "not true: created_at never runs back",
    "not true: the register has the first and last position of every partition",
    "answered 3",
  ]);
  const wrong = (await viewFaults(database.url)).map((fault) => fault.split(/[ :]/)[0]);
  expect(new Set(wrong)).toEqual(new Set(["orders", "customers", "sales"]));
});
