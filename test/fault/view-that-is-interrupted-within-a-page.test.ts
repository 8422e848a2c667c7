import { afterEach, beforeEach, expect, test } from "bun:test";
import type postgres from "postgres";

import type { View } from "#domain/decider.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, type TestDatabase } from "#test/database.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { ensureViews, startLoop } from "#test/support/loops.ts";
import { losingPool } from "#test/support/pools.ts";
import { closeStore, openStore } from "#test/support/store.ts";
import { lettersOf, reached, upTo, versionsIn, versionsView } from "#test/support/watched.ts";

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
let stops: (() => Promise<void>)[];
beforeEach(async () => {
  ({ database, pool, sql } = await openStore());
  stops = [];
});
afterEach(async () => {
  await Promise.all(stops.map((stop) => stop()));
  await assertNothingLeftOpen(database.url);
  await closeStore({ database, pool, sql });
});

test("view takes no event twice when it is written event by event and loses the database", async () => {
  const view = versionsView("versions");
  // No document of Postgres can hold it.
  const refused: View = {
    ...view,
    project: (document, event) =>
      event.aggregateId === "refused" ? { text: "\u0000" } : view.project(document, event),
  };
  await ensureViews(pool, [refused]);
  await appendAll(pool, appendTo("a", 0, 5), appendTo("refused", 0));
  await appendAll(pool, appendTo("a", 5, 4));
  let writes = 0;
  const losing = losingPool(pool, (name) => {
    if (name !== "apply_projection") return undefined;
    writes += 1;
    // The first is the whole page.
    return writes === 4 ? "statement" : undefined;
  });
  const loop = startLoop({ pool: losing, views: [refused] });
  stops.push(loop.stop);
  await reached(sql, "versions", 10);
  expect(await versionsIn(sql, "versions")).toEqual({ a: upTo(9) });
  expect(await lettersOf(sql, "versions")).toEqual(["refused 6 invalid-data waiting 1"]);
  const [proof] = await sql`select taken_count::int as taken from varve.checkpoints`;
  expect(proof).toEqual({ taken: 9 });
});

test("view takes no event twice when it stopped within a page and goes on", async () => {
  let broken = true;
  const view = versionsView("versions", ({ position }) => {
    if (broken && position === 4) throw new TypeError("not yet");
  });
  await ensureViews(pool, [view]);
  await appendAll(pool, appendTo("a", 0, 6));
  const loop = startLoop({ pool, views: [view], continueOnError: false });
  stops.push(loop.stop);
  await reached(sql, "versions", 3);
  broken = false;
  await reached(sql, "versions", 6);
  expect(await versionsIn(sql, "versions")).toEqual({ a: upTo(6) });
});
