import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type postgres from "postgres";

import { ordersView } from "#domain/orders/orders-view.ts";
import { salesView } from "#domain/orders/sales-view.ts";
import { decodeCursor } from "#query/cursor.ts";
import { createQueryReader, type QueryReader } from "#query/read.ts";
import { createGroupCommit } from "#store/group-commit.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, freshDatabase, type TestDatabase } from "#test/database.ts";
import { openTestKeyring } from "#test/support/keyrings.ts";
import { allViews, ensureViews, startLoop } from "#test/support/loops.ts";
import { createBody, openHandler, request, secret } from "#test/support/orders.ts";
import { openSql, openTestPool } from "#test/support/pools.ts";
import { until } from "#test/until.ts";

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
let reader: QueryReader;
const ORDERS = 7;
beforeAll(async () => {
  database = await freshDatabase();
  pool = openTestPool(database.url);
  sql = openSql(database.url);
  await ensureViews(pool, allViews);
  const keyring = await openTestKeyring(pool);
  const groupCommit = createGroupCommit(pool);
  const { handle } = openHandler(pool, keyring, groupCommit);
  for (let n = 1; n <= ORDERS; n += 1) {
    const customerId = n === 3 ? "c-erased" : "c-1";
    await handle(request(`o${n}`, "create", { ...createBody, customerId }));
  }
  await handle(request("o1", "ship", { carrier: "Royal Mail", trackingNumber: "RM1" }));
  await groupCommit.drain();
  const loop = startLoop({ pool, views: allViews, batchSize: 3 });
  await until("the views have seen everything", async () => {
    const rows = await sql`select from varve.checkpoints where position < ${ORDERS + 1}`;
    return rows.length === 0;
  });
  await loop.stop();
  const hash = (await keyring.subjectHash("c-erased")).toHex();
  await sql`update varve.subject_keys set status = 'shredded', wrapped = null
    where subject_hash = decode(${hash}, 'hex')`;
  // Another process's keyring: this one still remembers the key.
  reader = createQueryReader(pool, await openTestKeyring(pool));
});
afterAll(async () => {
  await pool.close(1_000);
  await sql.end({ timeout: 1 });
  await assertNothingLeftOpen(database.url);
  await database.drop();
});

const all = { mayReadPersonal: true };
const masked = { mayReadPersonal: false };
const stored = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/) as string;

const shipped = {
  orderId: "o1",
  status: "shipped",
  customerId: "c-1",
  contact: secret,
  shippingAddress: createBody.shippingAddress,
  lines: createBody.lines,
  total: { amount: 1_530, currency: "GBP" },
  carrier: "Royal Mail",
  trackingNumber: "RM1",
  createdAt: stored,
  updatedAt: stored,
  version: 2,
};

describe("byKey", () => {
  test("document is opened when the viewer may see", async () => {
    const answer = await reader.byKey(ordersView, "o1", all);
    expect(answer).toEqual({ position: ORDERS + 1, document: shipped, version: 2 });
  });

  test("personal fields are masked when the viewer may not see", async () => {
    const { document } = await reader.byKey(ordersView, "o1", masked);
    const { contact, shippingAddress, ...rest } = document ?? {};
    const { contact: _, shippingAddress: __, ...clear } = shipped;
    expect(rest).toEqual(clear);
    expect(/kanarienvogel|es1\./i.test(JSON.stringify([contact, shippingAddress]))).toBe(false);
    expect(contact).toMatchObject({ email: "a••@example.org" });
  });

  test("personal fields say that they are erased when the subject is", async () => {
    for (const viewer of [all, masked]) {
      const { document } = await reader.byKey(ordersView, "o3", viewer);
      expect(document).toMatchObject({
        contact: { erased: true },
        shippingAddress: { erased: true },
      });
    }
  });

  test("document is undefined when there is none", async () => {
    const answer = await reader.byKey(ordersView, "none", all);
    expect(answer).toEqual({ position: ORDERS + 1, document: undefined, version: 0 });
  });

  test("answer fails when stored bytes are not what they must be", async () => {
    await sql`update varve_views.orders_v1 o set document =
        jsonb_set(o.document, '{contact}', (
          select document->'contact' from varve_views.orders_v1 where key = 'o5'))
      where key = 'o4'`;
    const codes = [];
    for (const viewer of [all, masked]) {
      const answer = reader.byKey(ordersView, "o4", viewer);
      codes.push(
        await answer.then(
          () => "shown",
          (error: { code: string }) => error.code,
        ),
      );
    }
    await sql`update varve_views.orders_v1 o set document = jsonb_set(o.document, '{contact}',
        (select payload->'contact' from varve.events where aggregate_id = 'o4'))
      where key = 'o4'`;
    expect(codes).toEqual(["sealed-value-tampered", "sealed-value-tampered"]);
  });
});

describe("list", () => {
  test("pages hold every order once, newest first, when cursors are followed", async () => {
    const pages: unknown[][] = [];
    let cursor: string | null = null;
    do {
      const after = cursor === null ? undefined : decodeCursor(cursor);
      const page = await reader.list(
        ordersView,
        { filters: [], limit: 3, ...(after === undefined ? {} : { after }) },
        all,
      );
      pages.push(page.items.map((item) => item["orderId"]));
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(pages).toEqual([["o7", "o6", "o5"], ["o4", "o3", "o2"], ["o1"]]);
  });

  test("page has no cursor when it ends with the last document", async () => {
    const page = await reader.list(ordersView, { filters: [], limit: ORDERS }, masked);
    expect([page.items.length, page.nextCursor, page.position]).toEqual([ORDERS, null, ORDERS + 1]);
  });

  test("page holds what fits when it is filtered", async () => {
    const filters = [
      { field: "status", compare: "eq", value: "created" },
      { field: "customerId", compare: "eq", value: "c-1" },
    ] as const;
    const page = await reader.list(ordersView, { filters, limit: 9 }, all);
    expect(page.items.map((item) => item["orderId"])).toEqual(["o7", "o6", "o5", "o4", "o2"]);
  });

  test("list is ascending by key when its view says so", async () => {
    const { items } = await reader.list(salesView, { filters: [], limit: 10 }, masked);
    const total = items.reduce((sum, item) => sum + Number(item["revenue"]), 0);
    expect(total).toBe(ORDERS * 1_530);
  });
});
