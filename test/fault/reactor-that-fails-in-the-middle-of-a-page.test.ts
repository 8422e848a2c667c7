import { afterEach, beforeEach, expect, test } from "bun:test";

import { defineReactor, type Reactor, type SubscriptionSettings } from "#domain/subscription.ts";
import type { DomainEvent } from "#domain/decider.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { ensureSubscriptions, startLoop } from "#test/support/loops.ts";
import { openTestPool } from "#test/support/pools.ts";
import { openProxy } from "#test/support/proxy.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";
import { until } from "#test/until.ts";

let store: TestStore;
beforeEach(async () => {
  store = await openStore();
});
afterEach(() => closeStore(store));

const reactor = (
  handle: (position: number) => Promise<void>,
  settings: SubscriptionSettings = {},
): Reactor =>
  defineReactor<DomainEvent<"Happened">>({
    name: "mails",
    events: ["Happened"],
    handle: ({ position }) => handle(position),
    settings,
  });

async function checkpoint(): Promise<number> {
  const [row] = await store.sql<{ position: number }[]>`
    select position::int from varve.checkpoints where subscription = 'mails'`;
  return row?.position ?? -1;
}

const done = () => until("all are done", async () => (await checkpoint()) === 5);

test("checkpoint is right before the event in hand when it is written after each event", async () => {
  const seen: (readonly number[])[] = [];
  const mails = reactor(async (position) => void seen.push([position, await checkpoint()]), {
    checkpointStrategy: "every_event",
  });
  await ensureSubscriptions(store.pool, { reactors: [mails] });
  await appendAll(store.pool, appendTo("a", 0, 3), appendTo("b", 0, 2));
  const loop = startLoop({ pool: store.pool, reactors: [mails] });
  await done();
  await loop.stop();
  expect(seen).toEqual([1, 2, 3, 4, 5].map((position) => [position, position - 1]));
});

test("no event is left out when the connection drops between a page and its calls", async () => {
  const proxy = await openProxy(store.database.url);
  // Without named statements each call carries its text, by which the proxy knows it.
  const pool = openTestPool(proxy.url, { prepare: false });
  let cuts = 0;
  proxy.rule({
    toServer: (chunk) => {
      if (cuts > 0 || !chunk.includes("w.key as stream")) return "pass";
      cuts += 1;
      return "cut";
    },
  });
  const calls: number[] = [];
  const mails = reactor(async (position) => void calls.push(position));
  await ensureSubscriptions(store.pool, { reactors: [mails] });
  await store.sql`insert into varve.dead_letters (subscription, key, stream, position, error_code)
    values ('mails', 'Thing-z', 'Thing-z', 1, 'handler-failed')`;
  await appendAll(store.pool, appendTo("a", 0, 3), appendTo("b", 0, 2));
  const loop = startLoop({ pool, reactors: [mails] });
  await done();
  await loop.stop();
  await pool.close(1_000);
  await proxy.close();
  expect([cuts, calls.toSorted((left, right) => left - right)]).toEqual([1, [1, 2, 3, 4, 5]]);
});
