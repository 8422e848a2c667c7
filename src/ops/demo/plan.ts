import type { Invoice, InvoiceLine } from "./invoices.ts";
import { madeUpPerson, type Person } from "./people.ts";

type Place = { readonly customerId: string; readonly orderId: string };

export type CreateOrder = Person & {
  readonly customerId: string;
  readonly currency: "GBP";
  readonly lines: readonly InvoiceLine[];
  readonly placedAt: string;
};

/** A command that will be sent: the body is what the service takes, word for word. */
export type PlannedCommand = Place &
  (
    | { readonly command: "create"; readonly body: CreateOrder }
    | {
        readonly command: "ship";
        readonly body: { readonly carrier: string; readonly trackingNumber: string };
      }
    | { readonly command: "deliver"; readonly body: Readonly<Record<string, never>> }
    | { readonly command: "cancel"; readonly body: { readonly reason: string } }
  );

export type CommandName = PlannedCommand["command"];

/**
 * Commands in the order of their invoices; those of one customer must be sent in this order.
 * `skipped` counts invoices without a sellable line, `unmatched` credit notes without an order.
 */
export type Plan = {
  readonly commands: readonly PlannedCommand[];
  readonly skipped: number;
  readonly unmatched: number;
};

type OpenOrder = { readonly orderId: string; readonly lines: readonly InvoiceLine[] };

/**
 * What the wholesaler's year means as commands, worked out from the invoices alone, so that every
 * run of any length sends the same. An invoice becomes an order that is created and shipped. A
 * credit note (its number starts with `C`) cancels the customer's most recent order that still
 * stands and contains every stock code of the note.
 */
export function planInvoices(invoices: readonly Invoice[]): Plan {
  const commands: PlannedCommand[] = [];
  const standing = new Map<string, OpenOrder[]>();
  let [skipped, unmatched] = [0, 0];
  for (const invoice of invoices) {
    if (invoice.invoiceNo.startsWith("C")) {
      const order = takeMatch(standing.get(invoice.customerId) ?? [], invoice);
      if (order === undefined) unmatched += 1;
      else commands.push(cancel(invoice, order.orderId));
      continue;
    }
    const lines = invoice.lines.filter((line) => line.quantity >= 1 && line.unitPrice >= 1);
    if (lines.length === 0) {
      skipped += 1;
      continue;
    }
    commands.push(create(invoice, lines), ship(invoice));
    const orders = standing.get(invoice.customerId) ?? [];
    orders.push({ orderId: invoice.invoiceNo, lines });
    standing.set(invoice.customerId, orders);
  }
  return { commands, skipped, unmatched };
}

/** Removes and answers the latest order that holds all stock codes of the note. */
function takeMatch(orders: OpenOrder[], note: Invoice): OpenOrder | undefined {
  const wanted = [...new Set(note.lines.map((line) => line.sku))];
  const index = orders.findLastIndex((order) =>
    wanted.every((sku) => order.lines.some((line) => line.sku === sku)),
  );
  return index < 0 ? undefined : orders.splice(index, 1)[0];
}

function create(invoice: Invoice, lines: readonly InvoiceLine[]): PlannedCommand {
  const { customerId, invoiceNo: orderId, placedAt } = invoice;
  const person = madeUpPerson(customerId, invoice.country);
  const body: CreateOrder = { customerId, ...person, currency: "GBP", lines, placedAt };
  return { customerId, orderId, command: "create", body };
}

function ship({ customerId, invoiceNo: orderId }: Invoice): PlannedCommand {
  const body = { carrier: "Royal Mail", trackingNumber: `RM${orderId}` };
  return { customerId, orderId, command: "ship", body };
}

function cancel(note: Invoice, orderId: string): PlannedCommand {
  const body = { reason: `credit note ${note.invoiceNo}` };
  return { customerId: note.customerId, orderId, command: "cancel", body };
}
