import { expect, test } from "bun:test";

import type { Reactor } from "#domain/subscription.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { ensureSubscriptions } from "#test/support/loops.ts";
import { losingPool } from "#test/support/pools.ts";
import { useSubscriptions } from "#test/support/subscriptions.ts";
import { lettersOf, meetingReactor, reached, upTo } from "#test/support/watched.ts";

const at = useSubscriptions();

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
  await ensureSubscriptions(at.pool, { reactors: [reactor] });
  let sent = 0;
  const losing = losingPool(at.pool, (name) => {
    if (name === lost) sent += 1;
    return name === lost && sent === nth ? "statement" : undefined;
  });
  const loop = at.start({ pool: losing, reactors: [reactor] });
  return { loop, met, sent: () => sent };
}

test("reactor meets a whole page when it could not ask what waits for the page", async () => {
  const { loop, met, sent } = await follow({ retries: 0 }, "read_waiting_streams", 1);
  await appendAll(at.pool, appendTo("poison", 0));
  loop.wake();
  await reached(at.sql, "mails", 1);
  expect(await lettersOf(at.sql, "mails")).toEqual(["Thing-poison 1 handler-failed waiting 1"]);
  await appendAll(at.pool, appendTo("a", 0, 5), appendTo("poison", 1));
  loop.wake();
  await reached(at.sql, "mails", 7);
  expect(sent()).toBeGreaterThan(1);
  expect(met).toEqual([2, 3, 4, 5, 6]);
  expect(await lettersOf(at.sql, "mails")).toEqual([
    "Thing-poison 1 handler-failed waiting 1",
    "Thing-poison 7 behind-dead-letter waiting 0",
  ]);
});

test("reactor meets a whole page when a checkpoint in the middle of it was not written", async () => {
  await appendAll(at.pool, appendTo("a", 0, 10), appendTo("b", 0, 10));
  const settings = { checkpointStrategy: "every_event" } as const;
  const { met, loop } = await follow(settings, "advance_checkpoint", 3);
  await reached(at.sql, "mails", 20);
  expect(met).toEqual(upTo(20) as number[]);
  expect(loop.failures.map(({ code, outcome }) => [code, outcome])).toEqual([
    ["database-unavailable", "paused"],
  ]);
});
