import { expect, test } from "bun:test";

import type { View } from "#domain/decider.ts";
import { VarveError } from "#kernel/errors.ts";
import type { Pool } from "#store/pool.ts";
import type { Failure } from "#subscription/failure.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { ensureViews } from "#test/support/loops.ts";
import { losingPool, type Loss } from "#test/support/pools.ts";
import { useSubscriptions } from "#test/support/subscriptions.ts";
import { lettersOf, reached, upTo, versionsIn, versionsView } from "#test/support/watched.ts";
import { until } from "#test/until.ts";

const BATCH = 5;
const ROUNDS = 20;
const streams = ["a", "b", "c"];
/** In the middle there is one event of a stream that no other page touches. */
const MIDDLE = 25;
const EVENTS = ROUNDS * streams.length + 1;
const everyVersion = Object.fromEntries(streams.map((key) => [key, upTo(ROUNDS)]));
const all = { ...everyVersion, once: [1] };

const at = useSubscriptions();

/** Streams that every page touches. */
async function appendRounds(): Promise<void> {
  for (let version = 0; version < ROUNDS; version += 1) {
    if (version * streams.length + 1 === MIDDLE) await appendAll(at.pool, appendTo("once", 0));
    await appendAll(at.pool, ...streams.map((stream) => appendTo(stream, version)));
  }
}

/**
 * Follows the log with each write held until an event after it was folded, as far as there is one.
 * `meet` may throw; `loses` says of the writes by number what they lose.
 */
async function follow(of: {
  readonly meet?: (position: number) => void;
  readonly changed?: (view: View) => View;
  readonly loses?: (write: number) => Loss | undefined;
  readonly onFailure?: (failure: Failure) => void;
  /** Nothing goes wrong: every page but the last is followed by another. */
  readonly isPlain?: boolean;
}) {
  let [folded, writes, overlaps] = [0, 0, 0];
  const versions = versionsView("versions", ({ position }) => {
    folded = Math.max(folded, position);
    of.meet?.(position);
  });
  const view = of.changed?.(versions) ?? versions;
  await ensureViews(at.pool, [view]);
  await appendRounds();
  const holding: Pool = {
    ...at.pool,
    query: async (statement, parameters, ...rest) => {
      if (statement.name === "apply_projection") {
        const to = Number(parameters[4]);
        const isFurther = (): boolean => folded > to;
        // The last has none after it; one that is done again, after a failure, is done alone.
        const waitMs = of.isPlain === true && to < EVENTS ? 5_000 : 100;
        await until("the next page is folded", isFurther, waitMs).catch(() => undefined);
        if (isFurther()) overlaps += 1;
      }
      return at.pool.query(statement, parameters, ...rest);
    },
  };
  const losing = losingPool(holding, (name) => {
    if (name !== "apply_projection") return undefined;
    writes += 1;
    return of.loses?.(writes);
  });
  at.start({
    pool: losing,
    views: [view],
    batchSize: BATCH,
    ...(of.onFailure && { onFailure: of.onFailure }),
  });
  await reached(at.sql, "versions", EVENTS, 20_000);
  const [proof] = await at.sql`select taken_count::int as taken from varve.checkpoints`;
  return { overlaps, taken: proof?.["taken"] as number };
}

test("documents are folded over what is on its way when pages follow each other", async () => {
  const { overlaps, taken } = await follow({ isPlain: true });
  expect(overlaps).toBe(Math.ceil(EVENTS / BATCH) - 1);
  expect([await versionsIn(at.sql, "versions"), taken]).toEqual([all, EVENTS]);
});

test.each<Loss>(["statement", "reply"])(
  "nothing is left out or taken twice when the %s of a step on its way is lost",
  async (loss) => {
    const { overlaps, taken } = await follow({
      loses: (write) => (write % 4 === 2 ? loss : undefined),
    });
    expect(overlaps).toBeGreaterThan(3);
    expect([await versionsIn(at.sql, "versions"), taken]).toEqual([all, EVENTS]);
  },
);

test("others go on when the database refuses a document that is on its way", async () => {
  const { overlaps, taken } = await follow({
    changed: (view) => ({
      ...view,
      project: (document, event) =>
        event.aggregateId === "once" ? { text: "\u0000" } : view.project(document, event),
    }),
  });
  expect(overlaps).toBeGreaterThan(3);
  expect([await versionsIn(at.sql, "versions"), taken]).toEqual([everyVersion, EVENTS - 1]);
  expect(await lettersOf(at.sql, "versions")).toEqual([`once ${MIDDLE} invalid-data waiting 1`]);
});

test("its key alone waits when an event fails while the step before is on its way", async () => {
  const { overlaps, taken } = await follow({
    meet: (position) => {
      if (position === MIDDLE) throw new TypeError("never");
    },
  });
  expect(overlaps).toBeGreaterThan(3);
  expect([await versionsIn(at.sql, "versions"), taken]).toEqual([everyVersion, EVENTS - 1]);
  const [letter] = await lettersOf(at.sql, "versions");
  expect(letter).toStartWith(`once ${MIDDLE} view-failed waiting `);
});

test("an event is put aside, and nothing else is told, when the database does not take its key", async () => {
  const told: string[] = [];
  const { taken } = await follow({
    changed: (view) => ({
      ...view,
      key: (event) => (event.aggregateId === "once" ? "half \ud83d" : event.aggregateId),
    }),
    onFailure: ({ code, outcome }) => void told.push(`${code} ${outcome}`),
  });
  expect([await versionsIn(at.sql, "versions"), taken]).toEqual([everyVersion, EVENTS - 1]);
  expect(await lettersOf(at.sql, "versions")).toEqual([
    `Thing-once ${MIDDLE} invalid-data waiting 1`,
  ]);
  expect(told).toEqual(["invalid-data put-aside"]);
});

test("what is on its way takes effect when the view is told to stop, also at the second try", async () => {
  const view = versionsView("versions");
  await ensureViews(at.pool, [view]);
  const sent = Promise.withResolvers<void>();
  const told = Promise.withResolvers<void>();
  let writes = 0;
  const holding: Pool = {
    ...at.pool,
    query: async (statement, ...rest) => {
      if (statement.name === "apply_projection" && (writes += 1) === 1) {
        sent.resolve();
        await told.promise;
        throw new VarveError("database-unavailable", "the connection was lost");
      }
      return at.pool.query(statement, ...rest);
    },
  };
  const loop = at.start({ pool: holding, views: [view] });
  await appendAll(at.pool, appendTo("a", 0, 3));
  loop.wake();
  await sent.promise;
  const stopped = loop.stop();
  told.resolve();
  await stopped;
  expect(await versionsIn(at.sql, "versions")).toEqual({ a: upTo(3) });
});
