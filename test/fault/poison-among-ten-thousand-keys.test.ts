import { afterAll, beforeAll, expect, test } from "bun:test";

import { limits } from "#kernel/limits.ts";
import { retryDeadLetters } from "#store/dead-letters.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { openStage, type Stage } from "#test/support/stage.ts";
import { meetingReactor, upTo, versionsView } from "#test/support/watched.ts";
import { until } from "#test/until.ts";

const KEYS = 10_000;
const POISON = "k-4711";

let stage: Stage;
let isMended = false;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

const meet = (aggregateId: string): void => {
  if (aggregateId === POISON && !isMended) throw new TypeError("this one cannot be taken");
};

const keys = upTo(KEYS).map((number) => `k-${number}`);

/** One event more for every key. */
async function appendEach(version: number): Promise<void> {
  for (let from = 0; from < KEYS; from += limits.batchAppends) {
    const batch = keys.slice(from, from + limits.batchAppends);
    await appendAll(stage.pool, ...batch.map((key) => appendTo(key, version)));
  }
}

test("one poisoned key of ten thousand holds up itself alone, in a view and in a reactor", async () => {
  const met = new Map<string, number[]>();
  const settings = { retries: 0 };
  const views = [versionsView("view", ({ aggregateId }) => meet(aggregateId), { settings })];
  const reactors = [
    meetingReactor(
      "reactor",
      ({ aggregateId, version }) => {
        meet(aggregateId);
        met.set(aggregateId, [...(met.get(aggregateId) ?? []), version]);
      },
      { settings },
    ),
  ];
  for (const version of [0, 1]) await appendEach(version);
  const loop = await stage.follow({ views, reactors });
  for (const name of ["view", "reactor"]) await stage.reached(name, 2 * KEYS, 60_000);

  const sound = keys.filter((key) => key !== POISON);
  const expected = (of: readonly string[]) => Object.fromEntries(of.map((key) => [key, [1, 2]]));
  expect(Object.fromEntries(met)).toEqual(expected(sound));
  expect(Bun.deepEquals(await stage.versions("view"), expected(sound))).toBe(true);
  const waits = (key: string, code: string) => [
    `${key} 4711 ${code} waiting 1`,
    `${key} 14711 behind-dead-letter waiting 0`,
  ];
  expect([await stage.letters("view"), await stage.letters("reactor")]).toEqual([
    waits(POISON, "view-failed"),
    waits(`Thing-${POISON}`, "handler-failed"),
  ]);
  await until("both are live", loop.isLive);
  expect(loop.failures).toHaveLength(2);

  isMended = true;
  expect(await retryDeadLetters(stage.pool, {})).toBe(2);
  for (const name of ["view", "reactor"]) await stage.settled(name);
  expect(met.get(POISON)).toEqual([1, 2]);
  expect(Bun.deepEquals(await stage.versions("view"), expected(keys))).toBe(true);
  const proofs = await stage.sql`
    select distinct taken_count::int as taken, events_processed::int as events
      from varve.checkpoints`;
  expect([...proofs]).toEqual([{ taken: 2 * KEYS, events: 2 * KEYS }]);
}, 90_000);
