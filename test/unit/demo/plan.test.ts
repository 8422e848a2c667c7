import { describe, expect, test } from "bun:test";

import { planInvoices, type Plan } from "#ops/demo/plan.ts";

import { invoicesOf, record } from "./samples.ts";

const planOf = async (...records: readonly string[]): Promise<Plan> =>
  planInvoices(await invoicesOf(...records));

/** The plan as words: what is sent for which order, and why it is cancelled. */
const story = ({ commands, skipped, unmatched }: Plan) => ({
  commands: commands.map((planned) =>
    planned.command === "cancel"
      ? `cancel ${planned.orderId}: ${planned.body.reason}`
      : `${planned.command} ${planned.orderId}`,
  ),
  skipped,
  unmatched,
});

describe("the plan", () => {
  test("a plan creates and ships an order when an invoice has sellable lines", async () => {
    const { commands, ...counts } = await planOf(record("536365", "85123A", 6, "2.55"));
    expect(counts).toEqual({ skipped: 0, unmatched: 0 });
    const place = { customerId: "c-1", orderId: "536365" };
    expect(commands).toEqual([
      {
        ...place,
        command: "create",
        body: {
          customerId: "c-1",
          contact: {
            name: expect.any(String),
            email: expect.stringMatching(/@example\.(org|com)$/),
            phone: expect.stringMatching(/^\+44 7700 900\d{3}$/),
          },
          shippingAddress: {
            line1: expect.any(String),
            city: expect.any(String),
            postcode: expect.stringMatching(/^\d{5}$/),
            country: "GB",
          },
          currency: "GBP",
          lines: [{ sku: "85123A", quantity: 6, unitPrice: 255 }],
          placedAt: "2010-12-01T08:26:00.000000Z",
        },
      },
      {
        ...place,
        command: "ship",
        body: { carrier: "Royal Mail", trackingNumber: "RM536365" },
      },
    ]);
  });

  test("a plan keeps only lines that sell at least one piece for at least a penny", async () => {
    const { commands } = await planOf(
      record("1", "A", 1, "0.005"),
      record("1", "B", 1, "0.004"),
      record("1", "C", 0, "1.00"),
      record("1", "D", -1, "1.00"),
      record("1", "E", 2, "0.00"),
      record("1", "F", 2, "-1.00"),
    );
    const [create] = commands;
    expect(create?.command === "create" && create.body.lines).toEqual([
      { sku: "A", quantity: 1, unitPrice: 1 },
    ]);
  });

  test("a plan skips an invoice when no line of it can be sold", async () => {
    const plan = await planOf(record("1", "A", -5, "1.00"), record("2", "A", 5, "0.00"));
    expect(story(plan)).toEqual({ commands: [], skipped: 2, unmatched: 0 });
  });

  test("a credit note cancels the latest standing order that holds all its codes", async () => {
    const plan = await planOf(
      record("1", "A", 1, "1.00"),
      record("1", "B", 1, "1.00"),
      record("2", "A", 1, "1.00"),
      record("2", "B", 1, "1.00"),
      record("3", "A", 1, "1.00"),
      record("C4", "B", -1, "1.00"),
      record("C4", "A", -1, "1.00"),
      record("C5", "A", -1, "1.00"),
      record("C6", "A", -1, "1.00"),
      record("C7", "A", -1, "1.00"),
    );
    const made = ["create 1", "ship 1", "create 2", "ship 2", "create 3", "ship 3"];
    const notes = ["2: credit note C4", "3: credit note C5", "1: credit note C6"];
    expect(story(plan)).toEqual({
      commands: [...made, ...notes.map((note) => `cancel ${note}`)],
      skipped: 0,
      unmatched: 1,
    });
  });

  test("a credit note is unmatched when its code was not sold, only listed", async () => {
    const plan = await planOf(
      record("1", "A", 1, "1.00"),
      record("1", "B", 1, "0.00"),
      record("C2", "B", -1, "1.00"),
    );
    expect(story(plan)).toEqual({ commands: ["create 1", "ship 1"], skipped: 0, unmatched: 1 });
  });

  test("a credit note never reaches into orders of others or of later days", async () => {
    const plan = await planOf(
      record("C1", "A", -1, "1.00"),
      record("2", "A", 1, "1.00"),
      "C3,A,X,-1,2010-12-02 08:26:00,1.00,2.0,France",
      "C4,A,X,-1,2010-12-02 08:26:00,1.00,,France",
    );
    expect(story(plan)).toEqual({ commands: ["create 2", "ship 2"], skipped: 0, unmatched: 3 });
  });
});
