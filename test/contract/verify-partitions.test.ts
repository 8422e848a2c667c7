import { afterEach, beforeEach, expect, test } from "bun:test";

import { appendAll, appendTo } from "#test/support/appends.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";
import { brokenIn, idAt, threeMonths } from "#test/support/verified.ts";

let store: TestStore;
let [oldest, middle, newest, next, last] = ["", "", "", "", ""];

beforeEach(async () => {
  store = await openStore();
  const names = await threeMonths(store);
  [oldest = "", middle = "", newest = ""] = names;
  [next = "", last = ""] = names.slice(-2);
});
afterEach(() => closeStore(store));

const run = async (...statements: readonly string[]): Promise<void> => {
  for (const text of statements) await store.sql.unsafe(text).simple();
};
const broken = () => brokenIn(store.database.url);

const detach = (name: string) => `alter table varve.events detach partition varve.${name}`;
const setState = (name: string, state: string) =>
  `update varve.event_partitions set state = '${state}' where name = '${name}'`;

/** The row about bounds, whose times are whatever they are. */
const bounds = (fault: string, partition: string, state: string | null = "attached") => {
  const time = expect.anything() as unknown;
  const lower = state === null ? null : time;
  return { fault, partition, state, lowerBound: lower, upperBound: lower, catalogue: time };
};

test("verify finds nothing when months are archived, and appends go on", async () => {
  await run(detach(oldest), setState(oldest, "archived"), `drop table varve.${oldest}`);
  await appendAll(store.pool, appendTo("a", 3), appendTo("b", 1), appendTo("e", 0));
  expect(await broken()).toEqual({});
});

test("verify finds nothing when a month between two others is archived", async () => {
  await appendAll(store.pool, appendTo("a", 3));
  await run(detach(middle), setState(middle, "archived"), `drop table varve.${middle}`);
  expect(await broken()).toEqual({});
});

test("verify finds the streams whose missing events the archived month cannot hold", async () => {
  await run(
    detach(oldest),
    setState(oldest, "archived"),
    "delete from varve.events where position = 7",
    "update varve.events set version = 5 where position = 4",
    "update varve.streams set version = 5 where aggregate_id = 'a'",
  );
  const first = { aggregateType: "Thing", fault: "the first events are missing" };
  expect(await broken()).toEqual({
    positions: [{ position: 8, positionBefore: 6, eventId: idAt(8) }],
    streams: [
      // Three positions cannot hold four versions.
      expect.objectContaining({ ...first, aggregateId: "a", firstEvent: 5 }),
      // Its month is not the archived one.
      expect.objectContaining({ ...first, aggregateId: "d", firstEvent: 2 }),
    ],
  });
});

test("verify finds the ranges when an archived month does not fit its neighbours", async () => {
  const row = (fault: string, partition: string) =>
    expect.objectContaining({ fault, partition }) as unknown;
  const set = (assignments: string) =>
    run(`update varve.event_partitions set ${assignments} where name = '${middle}'`);
  await run(detach(middle), setState(middle, "archived"));
  await set("first_position = 5");
  expect(await broken()).toEqual({
    register: [row("it does not follow the partition before", middle)],
  });
  await set("first_position = 4, last_position = null");
  expect(await broken()).toMatchObject({
    register: [
      row("it is no range", middle),
      row("it does not follow the partition before", newest),
    ],
  });
});

test("verify finds the partition when the register lacks it", async () => {
  await run(`delete from varve.event_partitions where name = '${next}'`);
  expect(await broken()).toEqual({
    "partition-bounds": [
      bounds("it is attached and not in the register", next, null),
      bounds("it does not follow the partition before", last),
    ],
  });
});

test("verify finds the partition when the catalogue lacks it", async () => {
  await run(`drop table varve.${last}`);
  expect(await broken()).toEqual({
    "partition-bounds": [{ ...bounds("it is not attached", last), catalogue: null }],
  });
});

test("verify finds the partition that is out of the register and still attached", async () => {
  await run(setState(next, "archived"));
  expect(await broken()).toEqual({
    "partition-bounds": [bounds("it is attached", next, "archived")],
  });
  await run(setState(next, "detached"));
  expect(await broken()).toEqual({
    "partition-bounds": [bounds("it is attached", next, "detached")],
  });
});

test("verify finds nothing while an archive takes a partition out", async () => {
  await run(
    setState(oldest, "detached"),
    `insert into varve.leases (subscription, owner, epoch, expires_at)
       values ('$partitions', gen_random_uuid(), 1, now() + interval '30 s')`,
  );
  expect(await broken()).toEqual({});
});

test("verify finds the bounds when the register has others than the catalogue", async () => {
  await run(
    `update varve.event_partitions set upper_bound = upper_bound - interval '1 hour'
       where name = '${next}'`,
  );
  expect(await broken()).toEqual({
    "partition-bounds": [
      bounds("its bounds in the catalogue are others", next),
      bounds("it does not follow the partition before", last),
    ],
  });
});

test("verify finds the bounds when both follow another time zone than UTC", async () => {
  const moved = (name: string) => `update varve.event_partitions
    set lower_bound = lower_bound - interval '5 h', upper_bound = upper_bound - interval '5 h'
    where name = '${name}'`;
  await run(detach(last), moved(last));
  const [row] = await store.sql<{ lower: string; upper: string }[]>`
    select lower_bound::text as lower, upper_bound::text as upper
      from varve.event_partitions where name = ${last}`;
  await run(detach(next), moved(next));
  await run(`alter table varve.events attach partition varve.${last}
    for values from ('${row?.lower}') to ('${row?.upper}')`);
  expect(await broken()).toMatchObject({
    "partition-bounds": [
      { fault: "it is not attached", partition: next },
      { fault: "it is not one whole month in UTC", partition: last },
    ],
  });
});

test("verify finds the partition when it has another month's name", async () => {
  await run(
    `alter table varve.${last} rename to events_1999_12`,
    `update varve.event_partitions set name = 'events_1999_12' where name = '${last}'`,
  );
  expect(await broken()).toEqual({
    "partition-bounds": [bounds("it has the name of another month", "events_1999_12")],
  });
});

test("verify finds the partition when an index is gone, or is not valid", async () => {
  await run(
    `drop index varve.${oldest}_event_id`,
    `create index ${oldest}_event_id on varve.${oldest} (event_id)`,
    `update pg_index set indisvalid = false where indexrelid = 'varve.${newest}_stream'::regclass`,
  );
  expect(await broken()).toEqual({
    "partition-indexes": [
      { partition: oldest, lacksUniqueIndexOn: "event_id" },
      { partition: newest, lacksUniqueIndexOn: "aggregate_type, aggregate_id, version" },
    ],
  });
});

test("verify finds nothing when the database has another time zone and style of dates", async () => {
  const name = new URL(store.database.url).pathname.slice(1);
  await run(
    `alter database ${name} set timezone = 'Pacific/Kiritimati'`,
    `alter database ${name} set datestyle = 'SQL, DMY'`,
  );
  expect(await broken()).toEqual({});
});
