import { afterEach, beforeEach, expect, test } from "bun:test";

import { uuidv7 } from "#kernel/ids.ts";
import { retryDeadLetters } from "#store/dead-letters.ts";
import { acquireLeases, releaseLeases } from "#store/leases.ts";
import { declareReactor } from "#store/subscriptions.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { openStage, type Stage } from "#test/support/stage.ts";
import { meetingReactor } from "#test/support/watched.ts";
import { until } from "#test/until.ts";

let stage: Stage;
beforeEach(async () => {
  stage = await openStage();
});
afterEach(() => stage.close());

type Types = readonly string[] | undefined;

/** A process of a release that wants those types: it starts, renews, and ends well or is killed. */
function aProcess(eventTypes: Types, aggregateTypes?: Types) {
  const owner = uuidv7();
  return {
    start: () =>
      declareReactor(stage.pool, {
        name: "mail",
        partitions: 1,
        eventTypes,
        aggregateTypes,
        startPosition: 0,
      }),
    /** Whether it holds the reactor from now on. */
    renew: async (): Promise<boolean> => {
      const leases = await acquireLeases(stage.pool, {
        owner,
        runnable: [{ name: "mail", kind: "reactor", eventTypes, aggregateTypes }],
        durationMs: 60_000,
        reports: [],
      });
      return leases.length === 1;
    },
    end: () => releaseLeases(stage.pool, owner),
  };
}

/** Lets half a minute pass: who has declared something, or has just ended, may be on its way. */
async function grow(): Promise<void> {
  await stage.sql`
    update varve.subscriptions set declared_at = declared_at - interval '31 seconds'`;
  await stage.sql`
    update varve.instances set expires_at = expires_at - interval '31 seconds'
     where expires_at <= clock_timestamp()`;
}

const wanted = async () => {
  const [row] = await stage.sql<{ events: Types | null; aggregates: Types | null }[]>`
    select event_types as events, aggregate_types as aggregates
      from varve.subscriptions where name = 'mail'`;
  return [row?.events, row?.aggregates];
};

test.each<[string, [Types, Types?], [Types, Types?]]>([
  ["event types", [["A"]], [["A", "B"]]],
  ["all event types", [["A"]], [undefined]],
  ["aggregate types", [undefined, ["X"]], [undefined, ["X", "Y"]]],
  ["all aggregate types", [["A"], ["X"]], [["A"], undefined]],
])(
  "older release does not take a reactor from a newer one that wants more %s",
  async (_, old, more) => {
    const [older, newer] = [aProcess(...old), aProcess(...more)];
    await older.start();
    expect(await older.renew()).toBe(true);
    await newer.start();
    expect([await older.renew(), await newer.renew()]).toEqual([false, true]);

    const again = aProcess(...old);
    await again.start();
    expect([await again.renew(), await older.renew(), await newer.renew()]).toEqual([
      false,
      false,
      true,
    ]);
    expect(await wanted()).toEqual([more[0] ?? null, more[1] ?? null]);

    // Nobody is left who knows more: a release that wants less for good has its way.
    await newer.end();
    expect(await again.renew()).toBe(false);
    await grow();
    expect([await again.renew(), await wanted()]).toEqual([true, [old[0] ?? null, old[1] ?? null]]);
    // And whoever wants more comes back without being started once more.
    expect([await newer.renew(), await again.renew()]).toEqual([true, false]);
  },
);

test("reactor goes to the release that started last when both want what the other does not", async () => {
  const [older, newer] = [aProcess(["A", "B"]), aProcess(["B", "C"])];
  await older.start();
  expect(await older.renew()).toBe(true);
  await newer.start();
  expect([await older.renew(), await newer.renew()]).toEqual([false, true]);
  await newer.end();
  await grow();
  expect(await older.renew()).toBe(true);
});

test("reactor stays where it is when its types are declared in another order", async () => {
  const [first, second] = [aProcess(["A", "B"], ["X"]), aProcess(["B", "A", "B"], ["X"])];
  await first.start();
  expect(await first.renew()).toBe(true);
  await second.start();
  expect([await second.renew(), await first.renew()]).toEqual([false, true]);
  expect(await wanted()).toEqual([["A", "B"], ["X"]]);
  await first.end();
  expect(await second.renew()).toBe(true);
});

test("instance renews its other leases when the checkpoint of what is to change is locked", async () => {
  const [older, newer] = [aProcess(["A"]), aProcess(["A", "B"])];
  await older.start();
  await stage.sql.begin(async (locking) => {
    await locking`select from varve.checkpoints for update`;
    const startedMs = performance.now();
    expect(await newer.renew()).toBe(false);
    expect(performance.now() - startedMs).toBeLessThan(1_000);
  });
  expect([await newer.renew(), await wanted()]).toEqual([true, [["A", "B"], null]]);
});

test("letter that was not wanted is tried again when its event is wanted again", async () => {
  await aProcess(["A"]).start();
  await stage.sql`
    insert into varve.dead_letters (subscription, key, stream, position, error_code)
      values ('mail', 'Thing-a', 'Thing-a', 1, 'event-not-wanted'),
        ('mail', 'Thing-b', 'Thing-b', 2, 'handler-failed')`;
  await aProcess(["A", "B"]).start();
  const due = await stage.sql`select key from varve.dead_letters where due_at is not null`;
  expect([...due]).toEqual([{ key: "Thing-a" }]);
});

test("reactor is not called for what it no longer wants when such a letter is tried again", async () => {
  const calls: number[] = [];
  const reactor = (settings: object, fails: boolean) =>
    meetingReactor(
      "mail",
      ({ position }) => {
        calls.push(position);
        if (fails) throw new Error("not today");
      },
      { settings: { retries: 0, ...settings } },
    );
  await appendAll(stage.pool, appendTo("a", 0, 2));
  const before = await stage.follow({ reactors: [reactor({}, true)] });
  await stage.reached("mail", 2);
  await before.stop();
  await grow();
  calls.length = 0;

  await stage.follow({ reactors: [reactor({ aggregateTypes: ["Other"] }, false)] });
  await retryDeadLetters(stage.pool, { subscription: "mail" });
  await until("the letter was tried", async () => {
    const letters = await stage.letters("mail");
    return letters.some((letter) => letter.includes("event-not-wanted"));
  });
  expect(await stage.letters("mail")).toEqual([
    "Thing-a 1 event-not-wanted waiting 2",
    "Thing-a 2 behind-dead-letter waiting 0",
  ]);
  expect(calls).toEqual([]);
});
