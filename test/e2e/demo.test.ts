import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "bun:test";

import { freshDatabase, type TestDatabase } from "#test/database.ts";
import { retailPath, retailPresent } from "#test/support/retail.ts";
import { logFaults, viewFaults, withSql } from "#test/support/invariants.ts";
import {
  createKey,
  endServices,
  runVerb,
  scratchFolder,
  startService,
} from "#test/support/service.ts";

let database: TestDatabase;

beforeEach(async () => {
  database = await freshDatabase();
});
afterEach(async () => {
  await endServices();
  await database.drop();
});

const header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country";

/**
 * The lines of the invoices 1 to `count`: of ten, seven are orders of two lines, one is a credit
 * note of the order before it, one a credit note of nobody, and one has nothing to sell.
 */
function invoices(count: number): string {
  const lines = [header];
  for (let number = 1; number <= count; number += 1) {
    const day = String(1 + Math.floor(number / 20)).padStart(2, "0");
    const rest = (code: string, quantity: number, price: string, customer: number): string =>
      `${code},"LANTERN, WHITE",${quantity},2010-12-${day} 08:26:00,${price},${customer}.0,United Kingdom`;
    const kind = number % 10;
    const customer = 17_000 + (kind === 8 ? number - 1 : number);
    if (kind === 0) lines.push(`${number},${rest("Z", -3, "1.25", customer)}`);
    else if (kind === 8) lines.push(`C${number},${rest("A", -6, "2.55", customer)}`);
    else if (kind === 9) lines.push(`C${number},${rest("A", -6, "2.55", customer)}`);
    else {
      lines.push(`${number},${rest("A", 6, "2.55", customer)}`);
      lines.push(`${number},${rest("B", 2, "0.855", customer)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

const eventCount = (): Promise<number> =>
  withSql(database.url, async (sql) => {
    const [row] = await sql<{ events: number }[]>`select count(*) as events from varve.events`;
    return row?.events ?? 0;
  });

/** A service, and the demo against it with these flags. */
async function startDemo(...flags: readonly string[]) {
  const options = { databaseUrl: database.url };
  const key = await createKey(options);
  const service = await startService(options);
  return async (): Promise<Readonly<Record<string, unknown>>> => {
    const environment = { VARVE_URL: service.url, VARVE_KEY: key };
    const verb = ["demo", ...flags, "--json"];
    const { code, stdout, stderr } = await runVerb(verb, { ...options, environment });
    expect([code, stderr]).toEqual([0, ""]);
    return JSON.parse(stdout) as Readonly<Record<string, unknown>>;
  };
}

test("demo sends the invoices of a file once, however often it runs", async () => {
  const file = join(scratchFolder(), "invoices.csv");
  writeFileSync(file, invoices(330));
  const demo = await startDemo("--limit", "300", "--file", file);
  const counts = {
    outcome: "done",
    orders: 210,
    shipped: 210,
    delivered: 0,
    cancelled: 30,
    skipped: 30,
    unmatched: 30,
    commands: 450,
    // 6 × 255 + 2 × 86: half a penny is rounded up.
    sales: { orders: 210, revenue: 210 * 1_702, cancelledOrders: 30, cancelledRevenue: 30 * 1_702 },
  };
  expect(await demo()).toMatchObject({ ...counts, alreadyThere: 0, position: 450 });
  expect(await eventCount()).toBe(450);
  expect(await demo()).toMatchObject({ ...counts, alreadyThere: 450 });
  expect(await eventCount()).toBe(450);
  expect(await logFaults(database.url, [])).toEqual([]);
  expect(await viewFaults(database.url)).toEqual([]);
}, 40_000);

test.skipIf(!retailPresent)(
  "demo brings a wholesaler's year through the service to the known sums, and again adds nothing",
  async () => {
    const demo = await startDemo("--file", retailPath);
    const counts = {
      outcome: "done",
      orders: 19_960,
      shipped: 19_960,
      cancelled: 2_516,
      unmatched: 1_320,
      skipped: 2_104,
      commands: 42_436,
      position: 42_436,
      sales: { days: 305, orders: 19_960, revenue: 1_066_668_454, cancelledOrders: 2_516 },
    };
    expect(await demo()).toMatchObject({ ...counts, alreadyThere: 0 });
    expect(await demo()).toMatchObject({ ...counts, alreadyThere: 42_436 });
    expect(await eventCount()).toBe(42_436);
  },
  600_000,
);
