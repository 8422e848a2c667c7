import { afterEach, beforeEach, expect, test } from "bun:test";
import type postgres from "postgres";

import type { Reactor } from "#domain/subscription.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, type TestDatabase } from "#test/database.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { ensureSubscriptions, startLoop } from "#test/support/loops.ts";
import { losingPool } from "#test/support/pools.ts";
import { closeStore, openStore } from "#test/support/store.ts";
import { lettersOf, meetingReactor, reached, upTo } from "#test/support/watched.ts";

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
let stops: (() => Promise<void>)[];
beforeEach(async () => {
  ({ database, pool, sql } = await openStore());
  stops = [];
});
afterEach(async () => {
  await Promise.all(stops.map((stop) => stop()));
  await assertNothingLeftOpen(database.url);
  await closeStore({ database, pool, sql });
});

/** A reactor on a pool that loses the statement of that name when it is sent for the nth time. */
async function follow(settings: Reactor["settings"], lost: string, nth: number) {
  const met: number[] = [];
  const reactor = meetingReactor(
    "mails",
    ({ aggregateId, position }) => {
      if (aggregateId === "poison") throw new TypeError("no such template");
      met.push(position);
    },
    { ...(settings && { settings }) },
  );
  await ensureSubscriptions(pool, { reactors: [reactor] });
  let sent = 0;
  const losing = losingPool(pool, (name) => {
    if (name === lost) sent += 1;
    return name === lost && sent === nth ? "statement" : undefined;
  });
  const loop = startLoop({ pool: losing, reactors: [reactor] });
  stops.push(loop.stop);
  return { loop, met, sent: () => sent };
}

test("reactor meets a whole page when it could not ask what waits for the page", async () => {
  const { loop, met, sent } = await follow({ retries: 0 }, "read_waiting_streams", 1);
  await appendAll(pool, appendTo("poison", 0));
  loop.wake();
  await reached(sql, "mails", 1);
  expect(await lettersOf(sql, "mails")).toEqual(["Thing-poison 1 handler-failed waiting 1"]);
  await appendAll(pool, appendTo("a", 0, 5), appendTo("poison", 1));
  loop.wake();
  await reached(sql, "mails", 7);
  expect(sent()).toBeGreaterThan(1);
  expect(met).toEqual([2, 3, 4, 5, 6]);
  expect(await lettersOf(sql, "mails")).toEqual([
    "Thing-poison 1 handler-failed waiting 1",
    "Thing-poison 7 behind-dead-letter waiting 0",
  ]);
});

test("reactor meets a whole page when a checkpoint in the middle of it was not written", async () => {
  await appendAll(pool, appendTo("a", 0, 10), appendTo("b", 0, 10));
  const settings = { checkpointStrategy: "every_event" } as const;
  const { met, loop } = await follow(settings, "advance_checkpoint", 3);
  await reached(sql, "mails", 20);
  expect(met).toEqual(upTo(20) as number[]);
  expect(loop.failures.map(({ code, outcome }) => [code, outcome])).toEqual([
    ["database-unavailable", "paused"],
  ]);
});
