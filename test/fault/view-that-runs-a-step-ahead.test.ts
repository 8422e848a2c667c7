import { expect, test } from "bun:test";

import type { View } from "#domain/decider.ts";
import type { Pool } from "#store/pool.ts";
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
        await until("the next page is folded", isFurther, 100).catch(() => undefined);
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
  at.start({ pool: losing, views: [view], batchSize: BATCH });
  await reached(at.sql, "versions", EVENTS);
  const [proof] = await at.sql`select taken_count::int as taken from varve.checkpoints`;
  return { overlaps, taken: proof?.["taken"] as number };
}

test("documents are folded over what is on its way when pages follow each other", async () => {
  const { overlaps, taken } = await follow({});
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
