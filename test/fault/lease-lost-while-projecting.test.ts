import { afterAll, beforeAll, expect, test } from "bun:test";
import type postgres from "postgres";

import { defineView } from "#domain/decider.ts";
import { limits } from "#kernel/limits.ts";
import { uuidv7 } from "#kernel/ids.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, freshDatabase, type TestDatabase } from "#test/database.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { ensureViews, startLoop } from "#test/support/loops.ts";
import { openProxy, type Proxy } from "#test/support/proxy.ts";
import { openSql, openTestPool } from "#test/support/pools.ts";
import { until } from "#test/until.ts";

let database: TestDatabase;
let proxy: Proxy;
let pool: Pool;
let stalled: Pool;
let sql: postgres.Sql;
beforeAll(async () => {
  database = await freshDatabase();
  proxy = await openProxy(database.url);
  pool = openTestPool(database.url);
  // Without named statements each call carries its text, by which the proxy knows it.
  stalled = openTestPool(proxy.url, { prepare: false, statementTimeoutMs: 20_000 });
  sql = openSql(database.url);
});
afterAll(async () => {
  await Promise.all([pool.close(1_000), stalled.close(1_000)]);
  await proxy.close();
  await assertNothingLeftOpen(database.url);
  await sql.end({ timeout: 1 });
  await database.drop();
});

type Happened = { readonly type: "Happened"; readonly payload: unknown };
type Count = { readonly count: number; readonly by: string };

/** Counts events, and says which process wrote. */
const countsBy = (by: string) => [
  defineView<Count, Happened>({
    name: "counts",
    version: 1,
    events: ["Happened"],
    key: (event) => event.aggregateId,
    project: (document) => ({ count: (document?.count ?? 0) + 1, by }),
    byKey: true,
  }),
];

const documents = async () => {
  const rows = await sql<{ document: Count }[]>`select document from varve_views.counts`;
  return rows.map(({ document }) => document);
};

const checkpoint = async () => {
  const [row] = await sql`
    select position::int, epoch::int, events_processed::int as events from varve.checkpoints`;
  return { ...row };
};

test("owner before writes nothing when another took over meanwhile", async () => {
  await ensureViews(pool, countsBy("first"));
  await appendAll(pool, appendTo("a", 0, 3));
  const held = Promise.withResolvers<void>();
  let isHolding = false;
  proxy.rule({
    toServer: (chunk) => {
      // From then on nothing of it is heard, as of a machine that stands still.
      isHolding ||= chunk.includes("apply_projection");
      if (isHolding) held.resolve();
      return isHolding ? "hold" : "pass";
    },
  });
  // Of one partition the instance that is first in order has it: the second is to keep it.
  const owner = uuidv7();
  const first = startLoop({ pool: stalled, views: countsBy("first") });
  await held.promise;

  const second = startLoop({ pool, owner, views: countsBy("second") });
  const startMs = performance.now();
  const took = async () => (await documents())[0]?.by === "second";
  await until("the second has taken over", took, 2 * limits.leaseMs);
  expect(performance.now() - startMs).toBeGreaterThan(limits.leaseMs / 2);
  const written = [{ count: 3, by: "second" }];
  const after = { position: 3, epoch: 2, events: 3 };
  expect([await documents(), await checkpoint()]).toEqual([written, after]);

  proxy.resume();
  await until("the first has heard it", () => first.report().length === 0);
  expect([await documents(), await checkpoint()]).toEqual([written, after]);
  expect(first.failures).toEqual([]);

  await appendAll(pool, appendTo("a", 3, 2));
  await until("the second goes on", async () => (await documents())[0]?.count === 5);
  await Promise.all([first.stop(), second.stop()]);
  expect(await documents()).toEqual([{ count: 5, by: "second" }]);
});
