import { afterAll, beforeAll, expect, test } from "bun:test";

import { uuidv7 } from "#kernel/ids.ts";
import { createOperations } from "#query/operations.ts";
import { listSubscriptions } from "#store/subscription-list.ts";
import { declareReactor, pauseSubscription, rebuildView } from "#store/subscriptions.ts";
import { aLetter, appendThings, holdView, makeView, takeTo } from "#test/support/held-views.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";

const owner = uuidv7();
let store: TestStore;
beforeAll(async () => {
  store = await openStore();
  const { pool } = store;
  await appendThings(pool, 10);
  await makeView(pool, "things");
  await makeView(pool, "others");
  await declareReactor(pool, {
    name: "mails",
    partitions: 2,
    eventTypes: undefined,
    aggregateTypes: undefined,
    startPosition: 4,
  });
  await pauseSubscription(pool, "mails", "case 7");
  await rebuildView(pool, "things", 2);
  const leases = await holdView(pool, "things", { owner });
  for (const lease of leases) {
    const isServing = lease.subscription === "things";
    const letters = [aLetter(1), aLetter(2, { dueInMs: 60_000 }), aLetter(3, behind)];
    const to = isServing ? 10 : 4 + lease.partition * 2;
    await takeTo(pool, lease, { to, letters: isServing ? letters : [] });
  }
  const reports = leases.map(({ subscription, partition, epoch }) => ({
    subscription,
    partition,
    epoch,
    state: "catching_up",
    lastError: null,
    eventsPerSecond: subscription === "things" ? 0 : 4,
  }));
  await holdView(pool, "things", { owner, reports });
});
afterAll(() => closeStore(store));

const behind = { errorCode: "behind-dead-letter", attempts: 0 };
const aTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/) as string;

/** A partition that nobody holds and nothing has happened to, with what differs. */
const partition = (number: number, position: number, given: Record<string, unknown> = {}) => ({
  partition: number,
  position,
  head: 10,
  lagEvents: 10 - position,
  eventsProcessed: 0,
  epoch: 0,
  leased: false,
  owner: null,
  report: null,
  reportedAt: null,
  deadLetters: 0,
  waitingForPerson: 0,
  ...given,
});

const held = (eventsPerSecond: number) => ({
  epoch: 1,
  leased: true,
  owner,
  report: { state: "catching_up", lastError: null, eventsPerSecond },
  reportedAt: aTime,
});

const running = { paused: false, pauseReason: null, wantedPartitions: null };

const building = {
  name: "things:building",
  kind: "view",
  view: "things",
  role: "building",
  version: 1,
  madeAt: aTime,
  ...running,
  partitions: [
    partition(0, 4, {
      ...held(4),
      eventsProcessed: 4,
    }),
    partition(1, 6, {
      ...held(4),
      eventsProcessed: 6,
    }),
  ],
};

test("list has every subscription with its partitions, as of one moment", async () => {
  expect(await listSubscriptions(store.pool)).toEqual({
    head: 10,
    items: [
      {
        name: "mails",
        kind: "reactor",
        wantedPartitions: null,
        paused: true,
        pauseReason: "case 7",
        partitions: [partition(0, 4), partition(1, 4)],
      },
      {
        name: "others",
        kind: "view",
        view: "others",
        role: "serving",
        version: 1,
        madeAt: aTime,
        ...running,
        partitions: [partition(0, 0)],
      },
      {
        name: "things",
        kind: "view",
        view: "things",
        role: "serving",
        version: 1,
        madeAt: aTime,
        ...running,
        partitions: [
          partition(0, 10, {
            ...held(0),
            eventsProcessed: 10,
            deadLetters: 3,
            waitingForPerson: 1,
          }),
        ],
      },
      building,
    ],
  } as Awaited<ReturnType<typeof listSubscriptions>>);
});

test("list has the one, or all versions of the view, when it is asked for a name", async () => {
  const names = async (name: string) =>
    (await listSubscriptions(store.pool, name)).items.map((item) => item.name);
  expect([
    await names("things"),
    await names("things:building"),
    await names("mails"),
    await names("thing"),
  ]).toEqual([["things", "things:building"], ["things:building"], ["mails"], []]);
  expect((await listSubscriptions(store.pool, "nothing")).head).toBe(10);
});

test("version that is being built is told with how far it is and when it will be there", async () => {
  const { subscriptions } = createOperations(store.pool);
  const progressOf = async () =>
    (await subscriptions("things")).items.map(({ progress }) => progress);
  expect(await progressOf()).toEqual([
    undefined,
    { eventsPerSecond: 8, secondsLeft: 2, share: 0.4 },
  ]);
  await store.sql`update varve.leases set expires_at = '-infinity'
                   where subscription = 'things:building' and partition = 1`;
  expect(await progressOf()).toEqual([
    undefined,
    { eventsPerSecond: 4, secondsLeft: null, share: 0.4 },
  ]);
});

test("partition is nobody's when its lease is over, or ends further away than any may", async () => {
  const leased = async () => {
    const { items } = await listSubscriptions(store.pool, "others");
    return items.flatMap(({ partitions }) => partitions.map((one) => [one.leased, one.owner]));
  };
  await holdView(store.pool, "others", { owner });
  const before = await leased();
  await store.sql`update varve.leases set expires_at = now() + interval '2 hours'
                   where subscription = 'others'`;
  expect([before, await leased()]).toEqual([[[true, owner]], [[false, null]]]);
});
