import { beforeAll, describe, expect, test } from "bun:test";

import { commands as orderCommands } from "#domain/orders/commands.ts";
import { countryCode } from "#ops/demo/countries.ts";
import { readInvoices } from "#ops/demo/invoices.ts";
import { planInvoices, type Plan, type PlannedCommand } from "#ops/demo/plan.ts";
import { retailPath, retailPresent } from "#test/support/retail.ts";

const created = (commands: readonly PlannedCommand[]) =>
  commands.flatMap((planned) => (planned.command === "create" ? [planned.body] : []));

describe.skipIf(!retailPresent)("a wholesaler's year", () => {
  let plan: Plan = { commands: [], skipped: 0, unmatched: 0 };
  let countries: ReadonlySet<string> = new Set();
  beforeAll(async () => {
    const invoices = await readInvoices(retailPath);
    plan = planInvoices(invoices);
    countries = new Set(invoices.map(({ country }) => country));
  }, 30_000);

  test("a year of invoices gives the known counts and sums when it is planned", () => {
    const { commands, skipped, unmatched } = plan;
    const bodies = created(commands);
    const counted = Object.groupBy(commands, ({ command }) => command);
    const totals = bodies.flatMap(({ lines }) => lines.map((l) => l.quantity * l.unitPrice));
    expect({
      created: counted.create?.length,
      shipped: counted.ship?.length,
      cancelled: counted.cancel?.length,
      events: commands.length,
      skipped,
      unmatched,
      total: totals.reduce((sum, total) => sum + total, 0),
      days: new Set(bodies.map(({ placedAt }) => placedAt.slice(0, 10))).size,
    }).toEqual({
      created: 19_960,
      shipped: 19_960,
      cancelled: 2_516,
      events: 42_436,
      skipped: 2_104,
      unmatched: 1_320,
      total: 1_066_668_454,
      days: 305,
    });
  });

  test("every planned body is accepted by the order's own schema", () => {
    const refused = plan.commands.filter(
      ({ command, body }) => !orderCommands[command].body.safeParse(body).success,
    );
    expect(refused).toEqual([]);
  });

  test("a country of the year has a code unless it is unspecified", () => {
    const unknown = [...countries].filter((name) => countryCode(name) === "ZZ");
    expect({ countries: countries.size, unknown }).toEqual({
      countries: 38,
      unknown: ["Unspecified"],
    });
  });
});
