import { afterEach, beforeEach, expect, test } from "bun:test";

import { closeStore, openStore, type TestStore } from "#test/support/store.ts";
import { brokenIn, idAt, threeMonths } from "#test/support/verified.ts";

let store: TestStore;
let [oldest, middle, newest] = ["", "", ""];

beforeEach(async () => {
  store = await openStore();
  [oldest = "", middle = "", newest = ""] = await threeMonths(store);
});
afterEach(() => closeStore(store));

/** What is found after the statements, which go past every function and constraint. */
async function afterPlanting(...statements: readonly string[]) {
  for (const text of statements) await store.sql.unsafe(text).simple();
  return brokenIn(store.database.url);
}

const at = expect.any(String) as unknown;

/** A row about a stream as the statement gives it; its times are whatever they are. */
const stream = (
  fault: string,
  aggregateId: string,
  version: number | null,
  [firstEvent, lastEvent]: readonly [number | null, number | null],
) => {
  const time = version === null ? null : at;
  const versions = { version, firstEvent, lastEvent };
  return { fault, aggregateType: "Thing", aggregateId, ...versions, firstAt: time, lastAt: time };
};

const register = (
  fault: string,
  partition: string,
  numbers: readonly (number | null)[],
  state = "attached",
) => {
  const [firstPosition, lastPosition, firstEvent, lastEvent, lastPositionBefore] = numbers;
  const own = { firstPosition, lastPosition, firstEvent, lastEvent, lastPositionBefore };
  return { fault, partition, state, ...own };
};

test("verify finds nothing when the log is whole", async () => {
  expect(await afterPlanting()).toEqual({});
});

test("verify finds nothing when the log is empty", async () => {
  expect(
    await afterPlanting(
      "delete from varve.events",
      "delete from varve.streams",
      "update varve.event_partitions set first_position = null, last_position = null",
    ),
  ).toEqual({});
});

test("verify finds the gap and the stream when an event is gone", async () => {
  expect(await afterPlanting("delete from varve.events where position = 7")).toEqual({
    positions: [{ position: 8, positionBefore: 6, eventId: idAt(8) }],
    streams: [stream("the first events are missing", "d", 2, [2, 2])],
  });
});

test("verify finds the register and the stream when the last event of a month is gone", async () => {
  expect(await afterPlanting("delete from varve.events where position = 5")).toEqual({
    register: [register("its last position is another", middle, [4, 5, 4, 4, 3])],
    streams: [stream("the first events are missing", "c", 2, [2, 2])],
  });
});

test("verify finds the stream when the newest event is gone", async () => {
  expect(await afterPlanting("delete from varve.events where position = 8")).toEqual({
    streams: [stream("the last events are missing", "d", 2, [1, 1])],
  });
});

test("verify finds the missing version when an event inside a stream is gone", async () => {
  expect(await afterPlanting("delete from varve.events where position = 3")).toEqual({
    register: [register("its last position is another", oldest, [1, 3, 1, 2, 0])],
    "stream-versions": [
      {
        aggregateType: "Thing",
        aggregateId: "a",
        version: 3,
        position: 4,
        versionBefore: 1,
        positionBefore: 1,
      },
    ],
  });
});

test("verify finds the repetition and the index when a position is there twice", async () => {
  const found = await afterPlanting(
    `drop index varve.${newest}_position`,
    "update varve.events set position = 7 where position = 8",
  );
  expect(found).toEqual({
    "partition-indexes": [{ partition: newest, lacksUniqueIndexOn: "position" }],
    positions: [{ position: 7, positionBefore: 7, eventId: at }],
    "stream-versions": [
      {
        aggregateType: "Thing",
        aggregateId: "d",
        version: 2,
        position: 7,
        versionBefore: 1,
        positionBefore: 7,
      },
    ],
  });
});

test("verify finds the stream when versions stand against positions", async () => {
  expect(
    await afterPlanting(
      "update varve.events set version = 9 where position = 7",
      "update varve.events set version = 1 where position = 8",
      "update varve.events set version = 2 where position = 7",
    ),
  ).toEqual({
    "stream-versions": [
      {
        aggregateType: "Thing",
        aggregateId: "d",
        version: 2,
        position: 7,
        versionBefore: 1,
        positionBefore: 8,
      },
    ],
  });
});

test("verify finds both months when they have a version of a stream each", async () => {
  expect(await afterPlanting("update varve.events set version = 1 where position = 6")).toEqual({
    streams: [stream("the last events are missing", "c", 2, [1, 1])],
    "stream-versions": [
      {
        aggregateType: "Thing",
        aggregateId: "c",
        version: 1,
        position: expect.any(Number) as unknown,
        versionBefore: 1,
        positionBefore: expect.any(Number) as unknown,
      },
    ],
  });
});

test("verify finds events without a stream, and streams without events", async () => {
  const planted = await afterPlanting(
    "delete from varve.streams where aggregate_id = 'b'",
    `insert into varve.streams values ('Thing', '', 1, now(), now()), ('Thing', 'ghost', 2, now(), now()),
       ('Zombie', 'z', 1, now(), now())`,
  );
  expect(planted).toEqual({
    streams: [
      stream("a stream without events", "", 1, [null, null]),
      stream("events without a stream", "b", null, [1, 1]),
      stream("a stream without events", "ghost", 2, [null, null]),
      { ...stream("a stream without events", "z", 1, [null, null]), aggregateType: "Zombie" },
    ],
  });
});

test("verify finds events of a type that no stream has", async () => {
  const planted = await afterPlanting(
    "update varve.events set aggregate_type = 'Other' where position = 2",
    "delete from varve.streams where aggregate_id = 'b'",
  );
  expect(planted).toEqual({
    streams: [{ ...stream("events without a stream", "b", null, [1, 1]), aggregateType: "Other" }],
  });
});

test("verify finds the streams when their versions are not their last events'", async () => {
  expect(
    await afterPlanting(
      "update varve.streams set version = 1 where aggregate_id = 'd'",
      "update varve.streams set version = 5 where aggregate_id = 'a'",
    ),
  ).toEqual({
    streams: [
      stream("the last events are missing", "a", 5, [1, 3]),
      stream("events past its version", "d", 1, [1, 2]),
    ],
  });
});

test("verify finds the streams when their times do not hold their events", async () => {
  expect(
    await afterPlanting(
      "update varve.streams set first_at = first_at + interval '1 month' where aggregate_id = 'a'",
      "update varve.streams set last_at = first_at where aggregate_id = 'c'",
      "update varve.streams set last_at = first_at - interval '1 us' where aggregate_id = 'b'",
    ),
  ).toEqual({
    streams: [
      stream("events outside the months of first_at and last_at", "a", 3, [1, 3]),
      stream("it ends before it begins", "b", 1, [1, 1]),
      stream("events outside the months of first_at and last_at", "c", 2, [1, 2]),
    ],
  });
});

test("verify finds the events when two months have one id", async () => {
  const planted = `update varve.events set event_id = '${idAt(1)}' where position = 8`;
  expect(await afterPlanting(planted)).toEqual({
    "event-ids": [{ eventId: idAt(1), positions: [1, 8] }],
  });
});

test("verify finds the event when created_at runs back", async () => {
  const planted = `update varve.events set created_at = date_trunc('month', created_at, 'UTC')
    where position = 8`;
  expect(await afterPlanting(planted)).toEqual({
    "created-at": [{ position: 8, createdAt: at, before: at }],
  });
});

test("verify finds the events when their data key has no row", async () => {
  const planted = `update varve.events set subject_keys = array['${idAt(1)}', '${idAt(2)}']::uuid[]
    where position = 8`;
  expect(
    await afterPlanting(
      planted,
      `insert into varve.subject_keys (key_id, subject_hash, status, kek_id)
         values ('${idAt(1)}', decode(repeat('00', 32), 'hex'), 'shredded', 'k')`,
    ),
  ).toEqual({ "subject-keys": [{ position: 8, keyId: idAt(2) }] });
});

test("verify finds the register when it is not what the partitions hold", async () => {
  expect(
    await afterPlanting(
      `update varve.event_partitions set last_position = 4 where name = '${middle}'`,
    ),
  ).toEqual({
    register: [
      register("its last position is another", middle, [4, 4, 4, 5, 3]),
      register("it does not follow the partition before", newest, [6, null, 6, 8, 4]),
    ],
  });
  expect(
    await afterPlanting(
      `update varve.event_partitions set last_position = null where name = '${middle}'`,
    ),
  ).toEqual({
    register: [
      register("its last position is another", middle, [4, null, 4, 5, 3]),
      register("it does not follow the partition before", newest, [6, null, 6, 8, null]),
    ],
  });
});

test("verify finds nothing when the newest month was closed before another began", async () => {
  const closed = `update varve.event_partitions set last_position = 8 where name = '${newest}'`;
  expect(await afterPlanting(closed)).toEqual({});
  const wrong = `update varve.event_partitions set last_position = 9 where name = '${newest}'`;
  expect(await afterPlanting(wrong)).toEqual({
    register: [register("its last position is another", newest, [6, 9, 6, 8, 5])],
  });
});

test("verify finds an event that lies in another month's partition", async () => {
  const [bounds] = await store.sql<{ lower: string; upper: string }[]>`
    select lower_bound::text as lower, upper_bound::text as upper
      from varve.event_partitions where name = ${middle}`;
  const within = `created_at >= '${bounds?.lower}' and created_at < '${bounds?.upper}'`;
  const found = await afterPlanting(
    `alter table varve.events detach partition varve.${middle}`,
    `update varve.${middle} set created_at = created_at - interval '300 days' where position = 5`,
    // Postgres reads the rows when it attaches, unless it believes that a check has.
    `alter table varve.${middle} add constraint planted check (${within}) not valid`,
    "update pg_constraint set convalidated = true where conname = 'planted'",
    `alter table varve.events attach partition varve.${middle}
       for values from ('${bounds?.lower}') to ('${bounds?.upper}')`,
  );
  expect(found).toEqual({
    "event-partitions": [{ position: 5, createdAt: at, partition: middle }],
    register: [register("its last position is another", middle, [4, 5, 4, 4, 3])],
    streams: [stream("events outside the months of first_at and last_at", "c", 2, [1, 2])],
  });
});
