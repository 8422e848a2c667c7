import { afterEach, beforeEach, expect, test } from "bun:test";

import { limits } from "#kernel/limits.ts";
import type { Pool } from "#store/pool.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { openProxy, type Proxy } from "#test/support/proxy.ts";
import { openTestPool } from "#test/support/pools.ts";
import { openStage, type Stage } from "#test/support/stage.ts";
import { meetingReactor, upTo, versionsView } from "#test/support/watched.ts";
import { until } from "#test/until.ts";

let stage: Stage;
let proxy: Proxy;
let pool: Pool;
let loop: Awaited<ReturnType<Stage["follow"]>>;
let met: number[] = [];
beforeEach(async () => {
  met = [];
  stage = await openStage();
  proxy = await openProxy(stage.database.url);
  pool = openTestPool(proxy.url, { acquireTimeoutMs: 300, size: 2 });
  await appendAll(stage.pool, appendTo("a", 0, 3));
  loop = await stage.follow({ ...declared, pool });
  for (const name of names) await stage.reached(name, 3);
  await until("all are live", loop.isLive);
});
afterEach(async () => {
  await loop.stop();
  await pool.close(1_000);
  await proxy.close();
  await stage.close();
});

const declared = {
  views: [versionsView("orders"), versionsView("sales")],
  reactors: [meetingReactor("mails", ({ position }) => void met.push(position))],
};
const names = ["orders", "sales", "mails"];

const restsAgainAndAgain = () =>
  until(
    "all have tried again and again",
    () =>
      loop
        .report()
        .every(({ errorsLastMinute, state }) => errorsLastMinute > 4 && state === "error"),
    15_000,
  );

/** Nothing is lost, nothing in a view is doubled, and all are well. */
async function areMended(): Promise<void> {
  const mendedMs = performance.now();
  for (const name of names) await stage.reached(name, 8);
  expect(performance.now() - mendedMs).toBeLessThan(limits.outageBackoffMsMax + limits.leaseMs);
  await until("all are live", loop.isLive);
  const whole = { a: upTo(5), b: upTo(3) };
  expect([await stage.versions("orders"), await stage.versions("sales")]).toEqual([whole, whole]);
  expect(new Set(met)).toEqual(new Set(upTo(8)));
  for (const name of names) {
    expect([await stage.letters(name), await stage.proofFaults(name)]).toEqual([[], []]);
  }
}

test("subscriptions rest, say so once, and go on when the database is gone and comes back", async () => {
  proxy.refuse();
  proxy.cutAll();
  await appendAll(stage.pool, appendTo("a", 3, 2), appendTo("b", 0, 3));
  await restsAgainAndAgain();
  const told = loop.failures.map(({ code, category, outcome }) => `${code} ${category} ${outcome}`);
  expect(new Set(told)).toEqual(new Set(["database-unavailable infrastructure paused"]));
  // One line for each of them, and one for their leases.
  expect(loop.codes).toEqual(["unavailable", ...names].map(() => "database-unavailable"));
  await proxy.accept();
  await areMended();
}, 40_000);

test("subscriptions rest, and go on, when others have all connections of the pool", async () => {
  const hold = { name: "", text: "select pg_sleep(4)" };
  const holding = [pool.query(hold, []), pool.query(hold, [])];
  await appendAll(stage.pool, appendTo("a", 3, 2), appendTo("b", 0, 3));
  await until("all rest", () => loop.report().every(({ state }) => state === "error"));
  expect(new Set(loop.codes)).toEqual(new Set(["database-timeout"]));
  await Promise.all(holding);
  await areMended();
}, 40_000);
