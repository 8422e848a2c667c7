import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Invoice, readInvoices } from "#ops/demo/invoices.ts";

export const header =
  "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country";

/** One CSV record of customer 1, in pounds; the rest is beside the point of most tests. */
export const record = (invoiceNo: string, sku: string, quantity: number, price: string): string =>
  `${invoiceNo},${sku},THING,${quantity},2010-12-01 08:26:00,${price},1.0,United Kingdom`;

/** Runs with the path of a file that holds the content, and removes it. */
export async function withFile<Value>(
  content: string | Uint8Array,
  use: (path: string) => Promise<Value>,
): Promise<Value> {
  const folder = await mkdtemp(join(tmpdir(), "varve-demo-"));
  try {
    const path = join(folder, "invoices.csv");
    await Bun.write(path, content);
    return await use(path);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The invoices of a CSV file with the usual header and these records. */
export const invoicesOf = (...records: readonly string[]): Promise<Invoice[]> =>
  withFile([header, ...records, ""].join("\n"), (path) => readInvoices(path));
