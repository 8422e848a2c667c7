import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";

import { VarveError } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";
import { createViewWaits, type Minimum, type ViewWaits } from "#query/wait.ts";
import { ensureView, readDocuments } from "#store/documents.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";
import { tableOf } from "#test/support/views.ts";
import { until } from "#test/until.ts";

let store: TestStore;
let waits: ViewWaits;
/** Names of the statements that were sent for waits. */
let asked: string[];
beforeAll(async () => {
  store = await openStore();
  await ensureView(store.pool, tableOf("things"));
});
beforeEach(async () => {
  asked = [];
  await store.sql`delete from varve.checkpoints where partition > 0`;
  await moveTo(0);
  waits = createViewWaits({
    ...store.pool,
    query: (statement, ...rest) => {
      asked.push(statement.name);
      return store.pool.query(statement, ...rest);
    },
  });
});
afterAll(() => closeStore(store));

const moveTo = async (position: number, partition = 0): Promise<void> => {
  await store.sql`insert into varve.checkpoints (subscription, partition, position)
    values ('things', ${partition}, ${position})
    on conflict (subscription, partition) do update set position = excluded.position`;
};

const minimum = (position: number, waitMs: number, signal?: AbortSignal): Minimum => ({
  position,
  waitMs,
  signal: signal ?? new AbortController().signal,
});

/** How a read ends: the position that it answers with, or the code and facts of its failure. */
const read = (wanted: Minimum | undefined): Promise<unknown> =>
  waits
    .read("things", wanted, () => readDocuments(store.pool, "things", []))
    .then(
      ({ position }) => position,
      (error: unknown) =>
        error instanceof VarveError ? { code: error.code, ...error.context } : error,
    );

const behind = (position: number, wanted: number, hasWaited = true) => ({
  code: "view-behind",
  position,
  wanted,
  hasWaited,
});

const looks = (): number => asked.length;
const waited = (count: number) => until("it waits", () => looks() >= count);

describe("a read", () => {
  test("it looks at nothing else when it has no minimum or the view was seen there", async () => {
    await moveTo(5);
    expect([await read(undefined), await read(minimum(0, 1_000))]).toEqual([5, 5]);
    expect(asked).toEqual([]);
    expect(await read(minimum(5, 1_000))).toBe(5);
    expect(asked).toEqual(["read_checkpoints"]);
    expect([await read(minimum(5, 1_000)), await read(minimum(3, 0))]).toEqual([5, 5]);
    expect(asked).toEqual(["read_checkpoints"]);
  });

  test("it looks at nothing but what it reads when it has no time", async () => {
    await moveTo(5);
    expect([await read(minimum(5, 0)), await read(minimum(6, 0))]).toEqual([5, behind(5, 6)]);
    expect(asked).toEqual([]);
  });

  test("it waits for the slowest partition when there are two", async () => {
    await moveTo(9);
    await moveTo(4, 1);
    expect(await read(minimum(5, 100))).toEqual(behind(4, 5));
    const answer = read(minimum(9, 10_000));
    await waited(looks() + 3);
    await moveTo(8, 1);
    await waited(looks() + 3);
    await moveTo(10, 1);
    expect(await answer).toBe(9);
  });

  test("it never answers from before its minimum when the view is built anew", async () => {
    await moveTo(9);
    expect(await read(minimum(9, 1_000))).toBe(9);
    await moveTo(0);
    expect(await read(minimum(9, 100))).toEqual(behind(0, 9));
    const answer = read(minimum(7, 10_000));
    await moveTo(6);
    await waited(looks() + 3);
    await moveTo(8);
    expect(await answer).toBe(8);
  });

  test("it waits on when the view was built anew between the look and the read", async () => {
    await moveTo(9);
    let reads = 0;
    const answer = waits.read("things", minimum(9, 10_000), async () => {
      reads += 1;
      if (reads === 1) await moveTo(1);
      return readDocuments(store.pool, "things", []);
    });
    await until("it has read once", () => reads === 1);
    await waited(looks() + 3);
    await moveTo(11);
    expect([(await answer).position, reads]).toEqual([11, 2]);
  });

  test("it ends with the reason of its signal when that fires", async () => {
    const ending = new AbortController();
    const answer = read(minimum(1, 10_000, ending.signal));
    await waited(2);
    ending.abort(new VarveError("shutting-down", "the test ends it"));
    expect(await answer).toEqual({ code: "shutting-down" });
    expect(await read(minimum(0, 0, ending.signal))).toEqual({ code: "shutting-down" });
  });

  test("it is answered at once when it is told that the view has moved", async () => {
    const spentMs: number[] = [];
    for (let position = 1; position <= 3; position += 1) {
      const answer = read(minimum(position, 10_000));
      await waited(looks() + 15);
      await moveTo(position);
      const startedMs = performance.now();
      waits.hint();
      expect(await answer).toBe(position);
      spentMs.push(performance.now() - startedMs);
    }
    expect(Math.min(...spentMs)).toBeLessThan(limits.pollMsMin);
  });
});

describe("a crowd", () => {
  test("it leaves no room to wait when it is as large as may be, and room when it is gone", async () => {
    const ending = new AbortController();
    const crowd = Array.from({ length: limits.viewWaits }, () =>
      read(minimum(7, 10_000, ending.signal)),
    );
    const startedMs = performance.now();
    expect(await read(minimum(7, 10_000))).toEqual(behind(0, 7, false));
    expect(performance.now() - startedMs).toBeLessThan(1_000);
    expect(await read(minimum(0, 10_000))).toBe(0);
    ending.abort(new VarveError("shutting-down", "the test ends it"));
    await Promise.all(crowd);
    const answer = read(minimum(7, 10_000));
    await moveTo(7);
    expect(await answer).toBe(7);
  });
});
