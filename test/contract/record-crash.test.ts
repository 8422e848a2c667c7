import { afterEach, beforeEach, expect, test } from "bun:test";

import { recordCrash } from "#store/checkpoints.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { openStage, type Stage } from "#test/support/stage.ts";
import { meetingReactor } from "#test/support/watched.ts";

let stage: Stage;
beforeEach(async () => {
  stage = await openStage();
});
afterEach(() => stage.close());

const ended = (...at: readonly (readonly [subscription: string, position: number])[]) =>
  recordCrash(
    stage.pool,
    at.map(([subscription, position]) => ({
      subscription,
      position,
      attemptsMax: 3,
      delayMs: 60_000,
    })),
  );

const suspects = async () => {
  const rows = await stage.sql`
    select concat_ws(' ', subscription, position, crashes) as suspect
      from varve.suspects order by 1`;
  return rows.map(({ suspect }) => String(suspect));
};

test("all that was worked on is suspected when nothing of it was before", async () => {
  await ended(["mails", 3], ["orders", 7]);
  expect(await suspects()).toEqual(["mails 3 1", "orders 7 1"]);
});

test("suspect alone is to blame when something was worked on beside it", async () => {
  await ended(["mails", 3], ["orders", 7]);
  await ended(["orders", 7], ["sales", 8], ["mails", 9]);
  expect(await suspects()).toEqual(["mails 3 1", "orders 7 2"]);
});

test("suspects are forgotten when their subscription has passed them", async () => {
  await ended(["mails", 1], ["mails", 3]);
  await appendAll(stage.pool, appendTo("a", 0, 2));
  await stage.follow({ reactors: [meetingReactor("mails", () => undefined)] });
  await stage.reached("mails", 2);
  await ended(["mails", 4]);
  expect(await suspects()).toEqual(["mails 3 1", "mails 4 1"]);
});

test("letter counts an attempt, waits for its time, then for a person when it ends workers", async () => {
  await stage.sql`
    insert into varve.dead_letters
      (subscription, partition, key, stream, position, error_code, attempts, due_at)
      select 'mails', 0, 'Thing-' || n, 'Thing-' || n, n, 'handler-failed', 1, clock_timestamp()
        from generate_series(1, 2) n`;
  const letters = async () => {
    const rows = await stage.sql`
      select concat_ws(' ', position, error_code, attempts,
          case when due_at > clock_timestamp() + interval '50 s' then 'later'
            when due_at is null then 'for a person' else 'now' end) as letter
        from varve.dead_letters order by position`;
    return rows.map(({ letter }) => String(letter));
  };
  await ended(["mails", 1]);
  expect(await letters()).toEqual(["1 handler-crashed 2 later", "2 handler-failed 1 now"]);
  // The other one was tried beside it.
  await ended(["mails", 1], ["mails", 2], ["mails", 5]);
  expect(await letters()).toEqual(["1 handler-crashed 3 for a person", "2 handler-failed 1 now"]);
  expect(await suspects()).toEqual([]);
});
