import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";

import fc from "fast-check";

import { isCode } from "#kernel/errors.ts";
import { readStream, type StreamRange } from "#store/events.ts";
import { archiveOnly } from "#test/support/absent-months.ts";
import { settleMonth } from "#test/support/months.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";

const MONTHS = 6;
/** Events of the stream in each month, the oldest first; months two and five have none of them. */
const counts = [2, 0, 3, 1, 0, 2];

type Told = { readonly version: number; readonly createdAt: string; readonly month: number };

let store: TestStore;
const months: string[] = [];
const stream: Told[] = [];

const whole: StreamRange = {
  aggregateType: "Thing",
  aggregateId: "told",
  fromVersion: 1,
  toVersion: 99,
  limit: 100,
};

beforeAll(async () => {
  store = await openStore();
  for (const [month, count] of counts.entries()) {
    const streams = ["other", ...Array.from({ length: count }, () => "told"), "other"];
    const settled = await settleMonth(store.sql, { monthsAgo: MONTHS - 1 - month, streams });
    months.push(settled.name);
  }
  const monthOf = (createdAt: string) =>
    months.indexOf(`events_${createdAt.slice(0, 7).replace("-", "_")}`);
  for (const { version, createdAt } of await readStream(store.pool, whole)) {
    stream.push({ version, createdAt, month: monthOf(createdAt) });
  }
});
afterEach(() => archiveOnly(store.sql, []));
afterAll(() => closeStore(store));

/** The versions, or the names of the months that have to come back. */
const read = (range: Partial<StreamRange>): Promise<readonly number[] | string> =>
  readStream(store.pool, { ...whole, ...range }).then(
    (events) => events.map(({ version }) => version),
    (error: unknown) => {
      if (isCode(error, "partition-archived")) return String(error.context["partition"]);
      throw error;
    },
  );

const archive = (...places: readonly number[]) =>
  archiveOnly(
    store.sql,
    places.map((place) => months[place] ?? ""),
  );

const timeOf = (version: number): string => stream[version - 1]?.createdAt ?? "";

/** The microsecond before or after. */
const beside = (time: string, micros: 1 | -1): string => {
  const whole = Date.parse(`${time.slice(0, 19)}Z`) * 1_000 + Number(time.slice(20, 26)) + micros;
  const fraction = String(((whole % 1_000_000) + 1_000_000) % 1_000_000).padStart(6, "0");
  return `${new Date(Math.floor(whole / 1_000)).toISOString().slice(0, 19)}.${fraction}Z`;
};

describe("a stream over six months, two of them without it", () => {
  test("is what was laid down", () => {
    expect(stream.map(({ version, month }) => [version, month])).toEqual(
      [0, 0, 2, 2, 2, 3, 5, 5].map((month, index) => [index + 1, month]),
    );
  });

  test("is read backwards from its end when the newest come first", async () => {
    expect([
      await read({ newestFirst: true }),
      await read({ newestFirst: true, limit: 3 }),
      await read({ newestFirst: true, limit: 3, toVersion: 6 }),
      await read({ newestFirst: true, fromVersion: 4, toVersion: 6 }),
      await read({ newestFirst: true, fromVersion: 9 }),
      await read({ newestFirst: true, fromVersion: 5, toVersion: 4 }),
    ]).toEqual([[8, 7, 6, 5, 4, 3, 2, 1], [8, 7, 6], [6, 5, 4], [6, 5, 4], [], []]);
  });

  test("is what was stored by then, to the microsecond, as of a time", async () => {
    expect([
      await read({ until: timeOf(4) }),
      await read({ until: beside(timeOf(4), -1) }),
      await read({ until: beside(timeOf(4), 1) }),
      await read({ until: beside(timeOf(1), -1) }),
      await read({ until: timeOf(6), newestFirst: true, limit: 2 }),
      await read({ until: timeOf(6), fromVersion: 6 }),
      await read({ until: timeOf(6), fromVersion: 7 }),
      await read({ until: "9999-12-31T23:59:59.999999Z", limit: 1, newestFirst: true }),
    ]).toEqual([[1, 2, 3, 4], [1, 2, 3], [1, 2, 3, 4], [], [6, 5], [6], [], [8]]);
  });

  test("leaves months before a known moment alone", async () => {
    await archive(0, 2);
    expect(await read({ fromVersion: 6, since: timeOf(6) })).toEqual([6, 7, 8]);
    expect(await read({ fromVersion: 3, since: timeOf(3) })).toBe(months[2] ?? "");
  });

  test("is refused exactly where an archived month holds what is wanted", async () => {
    await archive(0);
    expect(await read({})).toBe(months[0] ?? "");
    expect(await read({ fromVersion: 2, limit: 1 })).toBe(months[0] ?? "");
    expect(await read({ fromVersion: 3 })).toEqual([3, 4, 5, 6, 7, 8]);
    expect(await read({ newestFirst: true, limit: 6 })).toEqual([8, 7, 6, 5, 4, 3]);
    await archive(2);
    expect(await read({ limit: 2 })).toEqual([1, 2]);
    expect(await read({ limit: 3 })).toBe(months[2] ?? "");
    expect(await read({ toVersion: 2 })).toEqual([1, 2]);
    expect(await read({ fromVersion: 6 })).toEqual([6, 7, 8]);
    expect(await read({ until: timeOf(2) })).toEqual([1, 2]);
    expect(await read({ until: timeOf(6), newestFirst: true, limit: 2 })).toBe(months[2] ?? "");
    await archive(5);
    expect(await read({ toVersion: 6 })).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await read({ until: timeOf(6) })).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await read({ newestFirst: true, limit: 1 })).toBe(months[5] ?? "");
    await archive(1, 4);
    expect(await read({})).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });
});

const version = fc.integer({ min: 1, max: 10 });

/** Times around each event, and far from all of them. */
const moment = fc
  .tuple(fc.integer({ min: 1, max: 8 }), fc.constantFrom(-1 as const, 0 as const, 1 as const))
  .map(([at, off]) => (off === 0 ? timeOf(at) : beside(timeOf(at), off)));

const ranges = fc.record({
  fromVersion: version,
  toVersion: version,
  limit: fc.integer({ min: 1, max: 10 }),
  newestFirst: fc.boolean(),
  until: fc.option(fc.nat(), { nil: undefined }),
  since: fc.boolean(),
});

test("stream is the one of the model, or its archived months are named, whatever is asked", async () => {
  let [answers, refusals] = [0, 0];
  const archived = fc.uniqueArray(fc.integer({ min: 0, max: MONTHS - 1 }), { maxLength: 3 });
  const asked = fc.array(fc.tuple(ranges, moment), { minLength: 12, maxLength: 12 });
  const property = fc.asyncProperty(archived, asked, async (gone, many) => {
    await archive(...gone);
    for (const [{ until: hasUntil, since: hasSince, ...range }, time] of many) {
      const until = hasUntil === undefined ? undefined : time;
      const by = stream.filter(({ createdAt }) => until === undefined || createdAt <= until);
      const inside = by.filter(
        (event) => event.version >= range.fromVersion && event.version <= range.toVersion,
      );
      const wanted = range.newestFirst
        ? inside.slice(-range.limit).toReversed()
        : inside.slice(0, range.limit);
      const [first] = wanted.map(({ createdAt }) => createdAt).toSorted();
      const needed = wanted.filter(({ month }) => gone.includes(month));
      const after = stream[by.length];
      // Whether the next event was there by then lies in the month that is gone.
      const isUnsure = until !== undefined && after !== undefined && gone.includes(after.month);
      const found = await read({
        ...range,
        ...(until === undefined ? {} : { until }),
        ...(hasSince && first !== undefined ? { since: first } : {}),
      });
      if (typeof found === "string") {
        refusals += 1;
        expect(needed.length > 0 || isUnsure).toBe(true);
        for (const { month } of needed) expect(found.split(" ")).toContain(months[month] ?? "");
      } else {
        answers += 1;
        expect(found).toEqual(wanted.map((event) => event.version));
      }
    }
  });
  await fc.assert(property, { numRuns: 60 });
  expect(Math.min(answers, refusals)).toBeGreaterThan(50);
});
