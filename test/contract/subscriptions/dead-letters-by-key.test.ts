import { describe, expect, test } from "bun:test";

import { appendBatch } from "#store/append.ts";
import { discardDeadLetter, retryDeadLetters } from "#store/dead-letters.ts";
import { anEvent } from "#test/support/appends.ts";
import { ensureSubscriptions, knownTypes } from "#test/support/loops.ts";
import {
  fill,
  lettersOf,
  listedIn,
  listingView,
  names,
  reached,
  streamsOf,
  useSubscriptions,
} from "#test/support/subscriptions.ts";
import { until } from "#test/until.ts";

const at = useSubscriptions();

/** A view that cannot take some positions for as long as they are in the set. */
function fragileView(name: string, settings = {}) {
  const poison = new Set<number>();
  const view = listingView(name, {
    settings: { retries: 0, ...settings },
    project: (document, { position }) => {
      if (poison.has(position)) throw new Error("cannot take it");
      return { positions: [...(document?.positions ?? []), position] };
    },
  });
  return { view, poison };
}

const waitingIn = async (subscription: string) =>
  (await lettersOf(at, subscription)).filter(({ state }) => state === "waiting");

const nothingWaits = (subscription: string, deadlineMs?: number) =>
  until("no letter waits", async () => (await waitingIn(subscription)).length === 0, deadlineMs);

const letterAt = async (position: number): Promise<number> => {
  const [row] = await at.sql<{ id: number }[]>`
    select id::int from varve.dead_letters where position = ${position}`;
  return row?.id ?? 0;
};

describe("dead letters of a view", () => {
  test("one document of ten thousand waits and everything else flows", async () => {
    const { view, poison } = fragileView("lists");
    await ensureSubscriptions(at.pool, { views: [view] });
    const streams = names("s", 10_000);
    await fill(at, streams);
    // s77 at 77, then three more of it and of its neighbour.
    poison.add(77);
    at.start({ views: [view] });
    await reached(at, ["lists"], 10_000, 30_000);
    await fill(at, ["s77", "s78"], 3);
    await reached(at, ["lists"], 10_006);
    const expected = await streamsOf(at);
    expect(await listedIn(at, "lists")).toEqual(
      Object.fromEntries(Object.entries(expected).filter(([key]) => key !== "s77")),
    );
    expect(await lettersOf(at, "lists")).toEqual([
      { position: 77, key: "s77", code: "view-failed", attempts: 1, state: "waiting" },
      ...[10_001, 10_003, 10_005].map((position) => ({
        position,
        key: "s77",
        code: "behind-dead-letter",
        attempts: 0,
        state: "waiting",
      })),
    ]);
    poison.clear();
    expect(await retryDeadLetters(at.pool, { subscription: "lists", key: "s77" })).toBe(1);
    await nothingWaits("lists");
    expect(await listedIn(at, "lists")).toEqual(expected);
  }, 60_000);

  test("letter that fails again waits again, and those behind it with it", async () => {
    const { view, poison } = fragileView("lists");
    await ensureSubscriptions(at.pool, { views: [view] });
    poison.add(1);
    await fill(at, ["a"], 3);
    at.start({ views: [view] });
    await reached(at, ["lists"], 3);
    await retryDeadLetters(at.pool, { id: await letterAt(1) });
    const again = async () => (await waitingIn("lists"))[0]?.attempts === 2;
    await until("it has failed again", again);
    expect(
      (await waitingIn("lists")).map(({ position, attempts }) => [position, attempts]),
    ).toEqual([
      [1, 2],
      [2, 0],
      [3, 0],
    ]);
    poison.clear();
    await retryDeadLetters(at.pool, { errorCode: "view-failed" });
    await nothingWaits("lists");
    expect(await listedIn(at, "lists")).toEqual({ a: [1, 2, 3] });
  });

  test("nothing is due behind a letter that fails when those before it have gone through", async () => {
    const { view, poison } = fragileView("lists");
    await ensureSubscriptions(at.pool, { views: [view] });
    poison.add(1);
    await fill(at, ["a"], 6);
    at.start({ views: [view] });
    await reached(at, ["lists"], 6);
    poison.clear();
    poison.add(4);
    await retryDeadLetters(at.pool, { id: await letterAt(1) });
    await until("the rest waits for a person", async () => {
      const rows = await at.sql<{ position: number }[]>`
        select position::int from varve.dead_letters
         where state = 'waiting' and due_at is null order by position`;
      return Bun.deepEquals(
        rows.map(({ position }) => position),
        [4, 5, 6],
      );
    });
    poison.clear();
    await retryDeadLetters(at.pool, { id: await letterAt(4) });
    await nothingWaits("lists");
    expect(await listedIn(at, "lists")).toEqual({ a: [1, 2, 3, 4, 5, 6] });
  });

  test("those behind a letter go on in order when it is discarded while events arrive", async () => {
    const { view, poison } = fragileView("lists", { batchSize: 7 });
    await ensureSubscriptions(at.pool, { views: [view] });
    const streams = names("s", 20);
    poison.add(5);
    await fill(at, streams, 5);
    at.start({ views: [view] });
    await reached(at, ["lists"], 100);
    const appending = fill(at, streams, 20);
    expect(await discardDeadLetter(at.pool, await letterAt(5), "made by mistake")).toBe(true);
    expect(await discardDeadLetter(at.pool, await letterAt(5), "twice")).toBe(false);
    await appending;
    await reached(at, ["lists"], 500);
    await nothingWaits("lists");
    const expected = await streamsOf(at);
    expect(await listedIn(at, "lists")).toEqual({
      ...expected,
      s5: expected["s5"]?.filter((position) => position !== 5) ?? [],
    });
    const [letter] = await at.sql`select state, reason from varve.dead_letters where position = 5`;
    expect({ ...letter }).toEqual({ state: "discarded", reason: "made by mistake" });
  });

  test("all that match are tried again while events arrive, and each document is whole", async () => {
    const { view, poison } = fragileView("lists", { batchSize: 10 });
    await ensureSubscriptions(at.pool, { views: [view] });
    const streams = names("s", 30);
    for (const position of [3, 7, 11, 45, 62]) poison.add(position);
    await fill(at, streams, 4);
    at.start({ views: [view] });
    await reached(at, ["lists"], 120);
    poison.clear();
    const appending = fill(at, streams, 20);
    expect(await retryDeadLetters(at.pool, { subscription: "lists" })).toBe(5);
    await appending;
    await reached(at, ["lists"], 720);
    await nothingWaits("lists");
    expect(await listedIn(at, "lists")).toEqual(await streamsOf(at));
  });

  test("document that the database refuses waits under its own key, also when tried again", async () => {
    const view = listingView("lists", {
      settings: { retries: 0 },
      project: (document, { position, aggregateId }) => ({
        ...document,
        positions: [...(document?.positions ?? []), position],
        ...(aggregateId === "a" && position === 1 ? { text: "\u0000" } : {}),
      }),
    });
    await ensureSubscriptions(at.pool, { views: [view] });
    await fill(at, ["a", "b", "c"], 2);
    const loop = at.start({ views: [view] });
    await reached(at, ["lists"], 6);
    expect(await listedIn(at, "lists")).toEqual({ b: [2, 5], c: [3, 6] });
    const letters = [
      { position: 1, key: "a", code: "invalid-data", attempts: 1, state: "waiting" },
      { position: 4, key: "a", code: "behind-dead-letter", attempts: 0, state: "waiting" },
    ];
    expect(await lettersOf(at, "lists")).toEqual(letters);
    await retryDeadLetters(at.pool, { subscription: "lists" });
    const again = async () => (await waitingIn("lists"))[0]?.attempts === 2;
    await until("it has failed again", again);
    await fill(at, ["b"]);
    await reached(at, ["lists"], 7);
    expect(loop.report()).toMatchObject([{ state: "live" }]);
    await discardDeadLetter(at.pool, await letterAt(1), "cannot be stored");
    await nothingWaits("lists");
    expect(await listedIn(at, "lists")).toEqual({ a: [4], b: [2, 5, 7], c: [3, 6] });
  });
});

describe("an event that cannot be read", () => {
  /** By the document that the payload names: one stream can change several. */
  const byName = () =>
    listingView("lists", {
      settings: { retries: 0 },
      key: (event) => String(Reflect.get(Object(event.payload), "document")),
    });

  const append = async (stream: string, document: string, type = "Happened") => {
    const event = { ...anEvent({ document }), type };
    const one = { aggregateType: "Thing", aggregateId: stream, expectedVersion: null };
    await appendBatch(at.pool, JSON.stringify([{ ...one, events: [event] }]));
  };

  test("its stream and the documents of its followers wait, and go on in order", async () => {
    const view = { ...byName(), events: ["Happened", "Later"] };
    await ensureSubscriptions(at.pool, { views: [view] });
    await append("s", "d1");
    await append("s", "d1", "Later");
    await append("s", "d1");
    await append("s", "d2");
    await append("t", "d2");
    await append("t", "d3");
    const before = at.start({ views: [view] });
    await reached(at, ["lists"], 6);
    expect(await listedIn(at, "lists")).toEqual({ d1: [1], d3: [6] });
    expect((await lettersOf(at, "lists")).map(({ position, key }) => [position, key])).toEqual([
      [2, "Thing-s"],
      [3, "d1"],
      [4, "d2"],
      [5, "d2"],
    ]);
    await before.stop();
    const known = knownTypes.get("Happened");
    if (known === undefined) throw new Error("the type is known");
    at.start({ views: [view], eventTypes: new Map([...knownTypes, ["Later", known]]) });
    await retryDeadLetters(at.pool, { subscription: "lists" });
    await nothingWaits("lists", 10_000);
    expect(await listedIn(at, "lists")).toEqual({ d1: [1, 2, 3], d2: [4, 5], d3: [6] });
  });
});
