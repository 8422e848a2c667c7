import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import fc from "fast-check";

import { limits } from "#kernel/limits.ts";
import {
  readHead,
  readLogPage,
  readStreamPage,
  type LogPage,
  type LogPageRequest,
  type StoredEvent,
} from "#store/events.ts";
import { archiveOnly } from "#test/support/absent-months.ts";
import { settleMonth } from "#test/support/months.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";

// Three months: a few events, then two and a half stretches of a search for rare types, then the
// stream "large", each of whose payloads has a different size.

const BEFORE = 50;
const MANY = Math.floor(limits.pagePositions * 2.5);
const LARGE = 12;
const HEAD = BEFORE + MANY + LARGE;

/** Where the rare events are: the first, around the ends of stretches, in the last month. */
const RARE = [1, 51, 10_000, 10_001, 10_002, 20_000, 20_001, HEAD - 1];

let store: TestStore;
const months: string[] = [];
beforeAll(async () => {
  store = await openStore();
  const { sql } = store;
  const sizes = [BEFORE, MANY, LARGE];
  for (const [month, size] of sizes.entries()) {
    const streams = Array.from({ length: size }, (_, n) =>
      month === 2 ? "large" : `s-${month}-${n % 500}`,
    );
    months.push((await settleMonth(sql, { monthsAgo: 2 - month, streams })).name);
  }
  await sql`update varve.events set event_type = 'Rare' where position = any (${RARE})`;
  // Half of them shrink to nothing in the table, which their text does not.
  await sql`
    update varve.events set payload = jsonb_build_object('text', case when version % 2 = 0
        then repeat('x', 400000)
        else (select string_agg(md5(version || '-' || n), '') from generate_series(1, 12500) n)
      end)
     where aggregate_id = 'large' and version <= 10`;
}, 30_000);
afterAll(() => closeStore(store));

const page = (request: Partial<LogPageRequest>): Promise<LogPage> =>
  readLogPage(store.pool, { after: 0, limit: 100, ...request });

const positions = ({ events }: LogPage): readonly number[] =>
  events.map(({ position }) => position);

const bytesOf = (events: readonly StoredEvent[]): number =>
  events.reduce((sum, { payload }) => sum + JSON.stringify(payload).length, 0);

/** Pages that follow each other to the head. */
async function pagesFrom(request: LogPageRequest): Promise<readonly LogPage[]> {
  const pages: LogPage[] = [];
  for (let after = request.after; ;) {
    const next = await page({ ...request, after });
    pages.push(next);
    if (next.scannedTo >= next.head) return pages;
    expect(next.scannedTo).toBeGreaterThan(after);
    after = next.scannedTo;
  }
}

describe("a page of the log", () => {
  test("says how far it looked when it is full, short, at the head or past it", async () => {
    const seen = async (after: number, limit: number) => {
      const { events, ...rest } = await page({ after, limit });
      return { ...rest, events: events.length };
    };
    const tail = HEAD - LARGE - 3;
    expect([
      await seen(0, 10),
      await seen(tail, 3),
      await seen(HEAD - 2, 2),
      await seen(HEAD - 2, 3),
      await seen(HEAD, 3),
      await seen(HEAD + 9, 3),
    ]).toEqual([
      { events: 10, scannedTo: 10, head: HEAD },
      { events: 3, scannedTo: tail + 3, head: HEAD },
      { events: 2, scannedTo: HEAD, head: HEAD },
      { events: 2, scannedTo: HEAD, head: HEAD },
      { events: 0, scannedTo: HEAD, head: HEAD },
      { events: 0, scannedTo: HEAD + 9, head: HEAD },
    ]);
    expect(await readHead(store.pool)).toBe(HEAD);
  });

  test("stops its search after a stretch when the types are rare, and finds all the same", async () => {
    const pages = await pagesFrom({ after: 0, limit: 100, types: ["Rare", "Other"] });
    expect(pages.map((one) => [positions(one), one.scannedTo])).toEqual([
      [[1, 51, 10_000], 10_000],
      [[10_001, 10_002, 20_000], 20_000],
      [[20_001, HEAD - 1], HEAD],
    ]);
    const none = await pagesFrom({ after: 5, limit: 100, types: ["Never"] });
    expect(none.map((one) => [positions(one), one.scannedTo])).toEqual([
      [[], 10_005],
      [[], 20_005],
      [[], HEAD],
    ]);
  });

  test("ends where its bytes are enough, with one event at least", async () => {
    const pages = await pagesFrom({ after: HEAD - LARGE, limit: 100 });
    expect(pages.flatMap(positions)).toEqual(
      Array.from({ length: LARGE }, (_, index) => HEAD - LARGE + 1 + index),
    );
    expect(pages.length).toBeGreaterThan(2);
    for (const { events } of pages) {
      expect(bytesOf(events.slice(0, -1))).toBeLessThan(limits.pageBytes);
    }
  });

  test("follows the one before without a gap, whatever is asked", async () => {
    const property = fc.asyncProperty(
      fc.integer({ min: 0, max: HEAD }),
      fc.integer({ min: 1, max: 1_000 }),
      fc.option(fc.subarray(["Rare", "Happened", "Never"], { minLength: 1 }), { nil: undefined }),
      async (start, limit, types) => {
        let after = start;
        for (let count = 0; count < 3; count += 1) {
          const request = { after, limit, ...(types === undefined ? {} : { types }) };
          const { events, scannedTo, head } = await page(request);
          const rows = await store.sql<{ position: number }[]>`
            select position::int from varve.events
             where position > ${after} and position <= ${scannedTo}
               and (${types === undefined} or event_type = any (${types ?? []}))
             order by position`;
          expect(events.map(({ position }) => position)).toEqual(
            rows.map(({ position }) => position),
          );
          expect([scannedTo > after || after >= head, events.length <= limit]).toEqual([
            true,
            true,
          ]);
          after = scannedTo;
        }
      },
    );
    await fc.assert(property, { numRuns: 40 });
  });

  test("is refused when it comes to an archived month, and not before", async () => {
    const code = (request: Partial<LogPageRequest>) =>
      page(request).then(positions, (error: { context: { partition: string } }) => [
        error.context.partition,
      ]);
    const [first = "", second = ""] = months;
    await archiveOnly(store.sql, [second]);
    const seen = [
      await code({ limit: BEFORE }),
      await code({ limit: BEFORE + 1 }),
      await code({ after: BEFORE + 1, limit: 1 }),
      await code({ after: BEFORE + MANY, limit: 1 }),
      await code({ types: ["Rare"], limit: 1 }),
      await code({ types: ["Rare"], limit: 2 }),
    ];
    await archiveOnly(store.sql, [first]);
    seen.push(await code({ limit: 1 }), await code({ after: BEFORE, limit: 1 }));
    await archiveOnly(store.sql, []);
    expect(seen).toEqual([
      Array.from({ length: BEFORE }, (_, index) => index + 1),
      [second],
      [second],
      [BEFORE + MANY + 1],
      [1],
      [second],
      [first],
      [BEFORE + 1],
    ]);
  });
});

describe("a page of a stream", () => {
  const range = {
    aggregateType: "Thing",
    aggregateId: "large",
    fromVersion: 1,
    toVersion: Number.MAX_SAFE_INTEGER,
    limit: 100,
  };

  test("is undefined when there is no such stream, and empty when nothing fits", async () => {
    expect([
      await readStreamPage(store.pool, { ...range, aggregateId: "nobody's" }),
      await readStreamPage(store.pool, { ...range, fromVersion: 99 }),
      await readStreamPage(store.pool, { ...range, until: "2000-01-01T00:00:00Z" }),
    ]).toEqual([
      undefined,
      { events: [], isCut: false, streamVersion: LARGE, head: HEAD },
      { events: [], isCut: false, streamVersion: LARGE, head: HEAD },
    ]);
  });

  test("ends where its bytes are enough, forward and backward", async () => {
    for (const newestFirst of [false, true]) {
      const versions: number[] = [];
      let pages = 0;
      while (versions.length < LARGE) {
        const last = versions.at(-1);
        const rest = newestFirst
          ? { toVersion: (last ?? LARGE + 1) - 1 }
          : { fromVersion: (last ?? 0) + 1 };
        const found = await readStreamPage(store.pool, { ...range, ...rest, newestFirst });
        const events = found?.events ?? [];
        expect(events.length).toBeGreaterThan(0);
        expect(bytesOf(events.slice(0, -1))).toBeLessThan(limits.pageBytes);
        versions.push(...events.map(({ version }) => version));
        pages += 1;
      }
      const all = Array.from({ length: LARGE }, (_, index) => index + 1);
      expect(versions).toEqual(newestFirst ? all.toReversed() : all);
      expect(pages).toBeGreaterThan(2);
    }
  });
});
