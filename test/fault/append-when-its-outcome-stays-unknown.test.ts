import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import type postgres from "postgres";

import { createApp } from "#http/app.ts";
import { createGroupCommit, type GroupCommit } from "#store/group-commit.ts";
import type { Pool } from "#store/pool.ts";
import { json, openTestApp, type TestApp } from "#test/app.ts";
import { appendTo } from "#test/support/appends.ts";
import { openTestKeyring } from "#test/support/keyrings.ts";
import { logFaults } from "#test/support/log-faults.ts";
import { cutAnswers } from "#test/support/lost-replies.ts";
import { openHandler } from "#test/support/orders.ts";
import { openProxy, type Proxy } from "#test/support/proxy.ts";
import { openSql, openTestPool } from "#test/support/pools.ts";
import { createBody } from "#test/unit/orders/samples.ts";

let app: TestApp;
let proxy: Proxy;
let pool: Pool;
let sql: postgres.Sql;
let groupCommit: GroupCommit;
beforeAll(async () => {
  app = await openTestApp();
  proxy = await openProxy(app.url);
  // Without named statements each call carries its text, by which the proxy knows it.
  pool = openTestPool(proxy.url, { prepare: false });
  sql = openSql(app.url);
  groupCommit = createGroupCommit(pool, { lostReplyMs: 1_000 });
});
afterEach(async () => {
  expect(await logFaults(sql)).toEqual([]);
});
afterAll(async () => {
  await groupCommit.drain();
  await pool.close(1_000);
  await proxy.close();
  await sql.end({ timeout: 1 });
  await app.close();
});

/** The network goes with the reply to the next append; gives the way to have it back. */
function loseNetwork(): () => Promise<void> {
  cutAnswers(proxy, 1, () => {
    proxy.refuse();
    proxy.cutAll();
  });
  return async () => {
    proxy.resume();
    await proxy.accept();
  };
}

const eventsOf = async (stream: string): Promise<number> => {
  const [row] = await sql<{ events: number }[]>`
    select count(*)::int as events from varve.events where aggregate_id = ${stream}`;
  return row?.events ?? 0;
};

test("append is unknown when nobody answers for as long as the limit, and known when asked again", async () => {
  const append = appendTo("unknown", 0, 2);
  const restore = loseNetwork();
  const startedMs = performance.now();
  const error = await groupCommit.append(append).then(
    () => undefined,
    (failure: { code: string; retryable: boolean }) => failure,
  );
  const tookMs = performance.now() - startedMs;
  expect(error).toMatchObject({ code: "outcome-unknown", retryable: true });
  expect([tookMs >= 1_000, tookMs < 5_000, await eventsOf("unknown")]).toEqual([true, true, 2]);
  await restore();
  expect(await groupCommit.append(append)).toMatchObject({ outcome: "already", version: 2 });
  expect(await eventsOf("unknown")).toBe(2);
});

test("append is unknown at the limit when the server takes the question and says nothing", async () => {
  const append = appendTo("silent", 0, 2);
  cutAnswers(proxy, 1, () => proxy.rule({ toServer: () => "hold" }));
  const startedMs = performance.now();
  expect(await groupCommit.append(append).catch((failure: object) => failure)).toMatchObject({
    code: "outcome-unknown",
  });
  // Far less than the ten seconds that a statement has when it is asked for the first time.
  expect(performance.now() - startedMs).toBeLessThan(3_000);
  proxy.resume();
  expect(await groupCommit.append(append)).toMatchObject({ outcome: "already", version: 2 });
});

test("command is answered as the first time when its outcome was unknown and its key comes again", async () => {
  const keyring = await openTestKeyring(pool, ["test", 1]);
  const { handle } = openHandler(pool, keyring, groupCommit);
  const service = createApp({ ...app.dependencies, handle });
  const create = () =>
    service.request(
      "/commands/orders/unknown-order/create",
      json(createBody, { "Idempotency-Key": "k-1", Authorization: `Bearer ${app.fullKey}` }),
    );
  const restore = loseNetwork();
  const first = await create();
  expect([first.status, first.headers.has("Retry-After"), await first.json()]).toMatchObject([
    503,
    true,
    { code: "outcome-unknown" },
  ]);
  await restore();
  const again = await create();
  expect([again.status, again.headers.get("Idempotency-Replayed")]).toEqual([201, "true"]);
  expect(await again.json()).toMatchObject({ version: 1, events: [{ type: "OrderCreated" }] });
  expect(await eventsOf("unknown-order")).toBe(1);
});
