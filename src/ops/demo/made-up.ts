import type { InvoiceLine } from "./invoices.ts";
import { type Dice, dice, madeUpPerson, seedOf } from "./people.ts";
import type { Plan, PlannedCommand } from "./plan.ts";

const stock: readonly (readonly [string, number])[] = [
  ["LANTERN", 1295],
  ["TEAPOT", 2450],
  ["NOTEBOOK", 349],
  ["BLANKET", 3999],
  ["CANDLE", 175],
];
const countries = ["GB", "GB", "GB", "IE", "DE", "FR", "NL"];
/** Orders are this old at least, so that a clock ahead of the service's places none in its future. */
const ageMsMin = 3_600_000;
const ageMsMax = 30 * 86_400_000;

/** Where a made-up order ends. Of each ten: 1 open, 3 under way, 4 arrived, 2 cancelled. */
const lives: readonly (readonly PlannedCommand["command"][])[] = [
  ["create"],
  ["create", "ship"],
  ["create", "ship"],
  ["create", "ship"],
  ["create", "ship", "deliver"],
  ["create", "ship", "deliver"],
  ["create", "ship", "deliver"],
  ["create", "ship", "deliver"],
  ["create", "cancel"],
  ["create", "ship", "cancel"],
];

/**
 * A plan of made-up orders of forty customers over the thirty days before `nowMs`. The order ids
 * carry the run, so that every run adds its own orders; the same run and time give the same plan.
 */
export function planMadeUp(count: number, run: string, nowMs: number): Plan {
  const roll = dice(seedOf(run));
  const commands = Array.from({ length: count }, (_, index) => {
    const orderId = `demo-${run}-${String(index + 1).padStart(3, "0")}`;
    const customerId = `c-demo-${String(1 + roll(40)).padStart(2, "0")}`;
    const create = createOrder(customerId, nowMs - ageMsMin - roll(ageMsMax - ageMsMin), roll);
    return (lives[index % lives.length] ?? []).map((command): PlannedCommand => {
      const place = { customerId, orderId };
      if (command === "create") return { ...place, command, body: create };
      if (command === "ship") {
        const body = { carrier: "Royal Mail", trackingNumber: `RM${orderId}` };
        return { ...place, command, body };
      }
      if (command === "deliver") return { ...place, command, body: {} };
      return { ...place, command, body: { reason: "changed their mind" } };
    });
  });
  return { commands: commands.flat(), skipped: 0, unmatched: 0 };
}

function createOrder(customerId: string, placedMs: number, roll: Dice) {
  const country = countries[seedOf(customerId) % countries.length] ?? "GB";
  const lines = Array.from({ length: 1 + roll(4) }, (): InvoiceLine => {
    const [sku, unitPrice] = stock[roll(stock.length)] ?? ["CANDLE", 175];
    return { sku, quantity: 1 + roll(6), unitPrice };
  });
  const placedAt = new Date(placedMs).toISOString();
  const person = madeUpPerson(customerId, country);
  return { customerId, ...person, currency: "GBP" as const, lines, placedAt };
}
