import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";

import { createApp } from "#http/app.ts";
import { createQueryReader } from "#query/read.ts";
import type { Pool } from "#store/pool.ts";
import { openTestApp, type TestApp } from "#test/app.ts";
import { openTestPool } from "#test/support/pools.ts";
import { openProxy, type Proxy } from "#test/support/proxy.ts";
import { until } from "#test/until.ts";

let app: TestApp;
let proxy: Proxy;
let pool: Pool;
/** How often the views were looked at. */
let looks = 0;
beforeAll(async () => {
  app = await openTestApp();
  proxy = await openProxy(app.url);
  pool = openTestPool(proxy.url);
});
afterEach(() => proxy.resume());
afterAll(async () => {
  await pool.close(1_000);
  await proxy.close();
  await app.close();
});

/** A query that nobody can answer yet, of an instance behind the proxy. */
async function ask(seconds: number): Promise<Response> {
  const query: Pool["query"] = (statement, ...rest) => {
    looks += 1;
    return pool.query(statement, ...rest);
  };
  const reader = createQueryReader({ ...pool, query }, app.keyring);
  const instance = createApp({ ...app.dependencies, reader });
  const headers = {
    Authorization: `Bearer ${app.fullKey}`,
    "Varve-Min-Position": "1000",
    Prefer: `wait=${seconds}`,
  };
  return instance.request("/queries/orders", { headers });
}

const faults: Readonly<
  Record<string, { readonly begin: () => void; readonly end: () => unknown; readonly code: string }>
> = {
  "is gone": {
    begin: () => {
      proxy.refuse();
      proxy.cutAll();
    },
    end: () => proxy.accept(),
    code: "database-unavailable",
  },
  "does not answer": {
    begin: () => proxy.rule({ toClient: () => "hold" }),
    end: () => proxy.resume(),
    code: "database-timeout",
  },
};

for (const [fault, { begin, end, code }] of Object.entries(faults)) {
  test(`query that waits is answered as ${code} when the database ${fault}`, async () => {
    const from = looks;
    const startedMs = performance.now();
    const asked = ask(30);
    await until("it waits", () => looks > from + 3);
    begin();
    const answer = await asked;
    const body = (await answer.json()) as Readonly<Record<string, unknown>>;
    expect([answer.status, body["code"], answer.headers.get("Retry-After")]).toEqual([
      503,
      code,
      "2",
    ]);
    expect(answer.headers.has("Preference-Applied")).toBe(false);
    // Long before its own time, or a statement's, is over.
    expect(performance.now() - startedMs).toBeLessThan(8_000);
    await end();
    await until("queries are answered again", async () => {
      const { code: now } = (await (await ask(0)).json()) as { code: string };
      return now === "view-behind";
    });
  });
}
