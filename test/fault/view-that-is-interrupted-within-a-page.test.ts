import { expect, test } from "bun:test";

import type { View } from "#domain/decider.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { ensureViews } from "#test/support/loops.ts";
import { losingPool } from "#test/support/pools.ts";
import { useSubscriptions } from "#test/support/subscriptions.ts";
import { lettersOf, reached, upTo, versionsIn, versionsView } from "#test/support/watched.ts";

const at = useSubscriptions();

test("view takes no event twice when it is written event by event and loses the database", async () => {
  const view = versionsView("versions");
  // No document of Postgres can hold it.
  const refused: View = {
    ...view,
    project: (document, event) =>
      event.aggregateId === "refused" ? { text: "\u0000" } : view.project(document, event),
  };
  await ensureViews(at.pool, [refused]);
  await appendAll(at.pool, appendTo("a", 0, 5), appendTo("refused", 0));
  await appendAll(at.pool, appendTo("a", 5, 4));
  let writes = 0;
  const losing = losingPool(at.pool, (name) => {
    if (name !== "apply_projection") return undefined;
    writes += 1;
    // The first is the whole page.
    return writes === 4 ? "statement" : undefined;
  });
  at.start({ pool: losing, views: [refused] });
  await reached(at.sql, "versions", 10);
  expect(await versionsIn(at.sql, "versions")).toEqual({ a: upTo(9) });
  expect(await lettersOf(at.sql, "versions")).toEqual(["refused 6 invalid-data waiting 1"]);
  const [proof] = await at.sql`select taken_count::int as taken from varve.checkpoints`;
  expect(proof).toEqual({ taken: 9 });
});

test("view takes no event twice when it stopped within a page and goes on", async () => {
  let broken = true;
  const view = versionsView("versions", ({ position }) => {
    if (broken && position === 4) throw new TypeError("not yet");
  });
  await ensureViews(at.pool, [view]);
  await appendAll(at.pool, appendTo("a", 0, 6));
  at.start({ views: [view], continueOnError: false });
  await reached(at.sql, "versions", 3);
  broken = false;
  await reached(at.sql, "versions", 6);
  expect(await versionsIn(at.sql, "versions")).toEqual({ a: upTo(6) });
});
