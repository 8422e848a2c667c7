import { describe, expect, test } from "bun:test";

import { readInvoices } from "#ops/demo/invoices.ts";

import { header, invoicesOf, record, withFile } from "./samples.ts";

const faultOf = (content: string | Uint8Array): Promise<unknown> =>
  withFile(content, (path) =>
    readInvoices(path).then(
      () => "no fault",
      (error: unknown) => (error as Error).message.replace(path, "the file"),
    ),
  );

describe("invoices", () => {
  test("invoices keep all their lines in order when a line is torn from its invoice", async () => {
    const invoices = await invoicesOf(
      record("1", "A", 1, "1.00"),
      record("2", "B", 2, "2.00"),
      record("1", "C", -3, "0.00"),
    );
    const rest = { customerId: "c-1", placedAt: "2010-12-01T08:26:00.000000Z" };
    expect(invoices).toEqual([
      {
        ...rest,
        invoiceNo: "1",
        country: "United Kingdom",
        lines: [
          { sku: "A", quantity: 1, unitPrice: 100 },
          { sku: "C", quantity: -3, unitPrice: 0 },
        ],
      },
      {
        ...rest,
        invoiceNo: "2",
        country: "United Kingdom",
        lines: [{ sku: "B", quantity: 2, unitPrice: 200 }],
      },
    ]);
  });

  test("invoices read each field when descriptions hold commas, quotes and newlines", async () => {
    const [invoice] = await invoicesOf(
      '7,A,"ONE, ""TWO""\nTHREE",4,2011-01-02 03:04:05,0.85,17850.0,EIRE',
    );
    expect(invoice).toEqual({
      invoiceNo: "7",
      customerId: "c-17850",
      placedAt: "2011-01-02T03:04:05.000000Z",
      country: "EIRE",
      lines: [{ sku: "A", quantity: 4, unitPrice: 85 }],
    });
  });

  test("invoices name a guest when the customer is missing", async () => {
    const [invoice] = await invoicesOf("7,A,X,4,2011-01-02 03:04:05,0.85,,France");
    expect(invoice?.customerId).toBe("guest-7");
  });

  test("invoices carry the first line's time when later lines are a minute older", async () => {
    const [invoice] = await invoicesOf(
      "7,A,X,4,2011-01-02 03:04:00,0.85,1.0,France",
      "7,B,X,4,2011-01-02 03:05:00,0.85,1.0,France",
    );
    expect(invoice?.placedAt).toBe("2011-01-02T03:04:00.000000Z");
  });

  test("invoices are the first ones, each whole, when a limit is set", async () => {
    const lines = [record("1", "A", 1, "1"), record("2", "B", 1, "1"), record("1", "C", 1, "1")];
    const content = [header, ...lines].join("\n");
    const invoices = await withFile(content, (path) => readInvoices(path, 1));
    expect(invoices.map(({ invoiceNo, lines: { length } }) => [invoiceNo, length])).toEqual([
      ["1", 2],
    ]);
  });

  test("invoices are the same when the file is gzipped, whatever its name", async () => {
    const lines = [record("1", "A", 1, "1.00"), record("2", "B", 2, "0.005")];
    const zipped = Bun.gzipSync([header, ...lines].join("\r\n"));
    const invoices = await withFile(zipped, (path) => readInvoices(path));
    expect(invoices).toEqual(await invoicesOf(...lines));
  });

  test("invoices name the record and the column when a value cannot be read", async () => {
    const bad = [
      "1,A,X,1.5,2010-12-01 08:26:00,1.00,1.0,France",
      "1,A,X,1,2010-12-01 08:26:00,a pound,1.0,France",
      "1,A,X,1,2010-13-01 08:26:00,1.00,1.0,France",
      "1,A,X,1,yesterday,1.00,1.0,France",
      "1,,X,1,2010-12-01 08:26:00,1.00,1.0,France",
      "../1,A,X,1,2010-12-01 08:26:00,1.00,1.0,France",
    ];
    const faults = await Promise.all(bad.map((line) => faultOf(`${header}\n${line}\n`)));
    const columns = [
      "Quantity",
      "UnitPrice",
      "InvoiceDate",
      "InvoiceDate",
      "StockCode",
      "InvoiceNo",
    ];
    expect(faults).toEqual(columns.map((column) => `record 2: ${column} cannot be read`));
  });

  test("invoices are refused when the file is no whole table of invoices", async () => {
    const zipped = Bun.gzipSync(`${header}\n${record("1", "A", 1, "1.00")}\n`.repeat(50));
    const faults = [
      await faultOf(""),
      await faultOf("InvoiceNo,Quantity\n1,2\n"),
      await faultOf(`${header}\n1,A\n`),
      await faultOf(zipped.slice(0, 60)),
    ];
    expect(faults).toEqual([
      "the file is empty",
      "the first record lacks StockCode, InvoiceDate, UnitPrice, CustomerID, Country",
      "the file cannot be read: Invalid Record Length: expect 8, got 2 on line 2",
      expect.stringMatching(/^the file cannot be read: /),
    ]);
  });
});
