import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";

import type { Pool } from "#store/pool.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { type FeedMessage, nextWhere } from "#test/support/feed.ts";
import { startFeed } from "#test/support/open-feed.ts";
import { openTestPool } from "#test/support/pools.ts";
import { openProxy, type Proxy } from "#test/support/proxy.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";

let store: TestStore;
let proxy: Proxy;
let pool: Pool;
beforeAll(async () => {
  store = await openStore();
  proxy = await openProxy(store.database.url);
  pool = openTestPool(proxy.url);
});
afterEach(() => proxy.resume());
afterAll(async () => {
  await pool.close(1_000);
  await proxy.close();
  await closeStore(store);
});

let head = 0;
/** Past the proxy: another instance, whose connection is whole. */
const append = async (count: number): Promise<void> => {
  await appendAll(store.pool, appendTo("fed", null, count));
  head += count;
};

const isBeat = ({ comments }: FeedMessage): boolean => comments.includes("beat");
const isEvent = ({ data }: FeedMessage): boolean => data !== undefined;

const faults: Readonly<
  Record<string, { readonly begin: () => void; readonly end: () => unknown }>
> = {
  "is gone": {
    begin: () => {
      proxy.refuse();
      proxy.cutAll();
    },
    end: () => proxy.accept(),
  },
  "does not answer": {
    begin: () => proxy.rule({ toClient: () => "hold" }),
    end: () => proxy.resume(),
  },
};

for (const [fault, { begin, end }] of Object.entries(faults)) {
  test(`feed beats while the database ${fault}, and leaves nothing out when it is back`, async () => {
    await append(5);
    const { messages, ends } = await startFeed(pool, { request: { after: head - 5, limit: 3 } });
    const got: FeedMessage[] = [];
    while (got.length < 5) got.push(await nextWhere(messages, isEvent));
    begin();
    const startedMs = performance.now();
    await append(7);
    const beats = [await nextWhere(messages, isBeat), await nextWhere(messages, isBeat)];
    expect(beats.map(({ id }) => id)).toEqual([String(head - 7), String(head - 7)]);
    // Long before a call of the pool gives up.
    expect(performance.now() - startedMs).toBeLessThan(5_000);
    await end();
    while (got.length < 12) got.push(await nextWhere(messages, isEvent));
    expect(got.map(({ id }) => Number(id))).toEqual(
      Array.from({ length: 12 }, (_, index) => head - 11 + index),
    );
    expect(ends).toEqual([]);
    await messages.return();
  });
}
