// What an order is: the reference domain, and the first file to read of any aggregate.
//
//   create ──▶ created ── ship ──▶ shipped ── deliver ──▶ delivered
//                 └──────── cancel ───┴─────▶ cancelled
//
// What it is: a customer orders lines of goods in one currency; the goods are shipped, then
// delivered. An order that is created or shipped may be cancelled. While it is open (created or
// shipped) its contact may change. Delivered and cancelled orders are closed for good.
//
// What it promises: each command is answered by exactly one event or one rejection, never by
// silence: even asking for the same contact again is a change, because sealed values cannot be
// compared. Every stored time is UTC with microseconds; every amount is an exact integer.
//
// What it relies on: bodies have passed their schema and `check` in `commands.ts`. Contact and
// shipping address arrive sealed for the subject `customerId`, but for the country.
//
// How it fails: a rejection names the status that stood in the way. Nothing here throws: an event
// that cannot follow its state (a shipment of no order) leaves the state as it is.
//
// What it does not do: it neither checks stock nor takes money, and knows no other order.

import { z } from "zod";

import { type Decider, defineAggregate, type RejectionKind } from "#domain/decider.ts";
import { utcMicros } from "#kernel/clock.ts";
import { accept, refuse, type Result } from "#kernel/result.ts";

import { commands, type OrderCommand } from "./commands.ts";
import { customersView } from "./customers-view.ts";
import { events, type OrderEvent, type OrderEventOf } from "./events.ts";
import { orderEvents } from "./order-events.ts";
import { ordersView } from "./orders-view.ts";
import { salesView } from "./sales-view.ts";
import { orderStatus, type OrderStatus, totalMinor } from "./values.ts";

/** An order at one version of its stream: its facts so far, and where it stands. */
export type Order = OrderEventOf<"OrderCreated">["payload"] &
  Partial<OrderEventOf<"OrderShipped">["payload"]> &
  Partial<OrderEventOf<"OrderDelivered">["payload"]> & {
    readonly status: OrderStatus;
    readonly reason?: string;
  };

export type OrderState = { readonly status: "none" } | Order;

/** Why the business says no. `status` is where the order stood. */
export type OrderRejection =
  | { readonly type: "order-not-found" }
  | {
      readonly type:
        | "order-already-exists"
        | "order-not-shippable"
        | "order-not-deliverable"
        | "order-not-cancellable"
        | "order-closed";
      readonly status: OrderStatus;
    };

const rejections: { readonly [Type in OrderRejection["type"]]: RejectionKind } = {
  "order-not-found": "not-found",
  "order-already-exists": "conflict",
  "order-not-shippable": "conflict",
  "order-not-deliverable": "conflict",
  "order-not-cancellable": "conflict",
  "order-closed": "conflict",
};

type Decision = Result<readonly OrderEvent[], OrderRejection>;

const isOpen = (order: Order): boolean => order.status === "created" || order.status === "shipped";

function create({ body, at }: Extract<OrderCommand, { type: "create" }>): Decision {
  const { customerId, contact, shippingAddress, currency, lines } = body;
  const total = { amount: totalMinor(lines), currency };
  const placedAt = utcMicros(body.placedAt ?? at);
  const payload = { customerId, contact, shippingAddress, lines, total, placedAt };
  return accept([{ type: "OrderCreated", payload }]);
}

function decide(command: OrderCommand, state: OrderState): Decision {
  if (state.status === "none") {
    return command.type === "create" ? create(command) : refuse({ type: "order-not-found" });
  }
  const { status, customerId, total, placedAt } = state;
  switch (command.type) {
    case "create":
      return refuse({ type: "order-already-exists", status });
    case "ship": {
      if (status !== "created") return refuse({ type: "order-not-shippable", status });
      return accept([{ type: "OrderShipped", payload: command.body }]);
    }
    case "deliver": {
      if (status !== "shipped") return refuse({ type: "order-not-deliverable", status });
      const deliveredAt = utcMicros(command.body.deliveredAt ?? command.at);
      return accept([{ type: "OrderDelivered", payload: { deliveredAt } }]);
    }
    case "cancel": {
      if (!isOpen(state)) return refuse({ type: "order-not-cancellable", status });
      const payload = { reason: command.body.reason, customerId, total, placedAt };
      return accept([{ type: "OrderCancelled", payload }]);
    }
    case "change-contact": {
      if (!isOpen(state)) return refuse({ type: "order-closed", status });
      return accept([{ type: "OrderContactChanged", payload: command.body }]);
    }
  }
}

function evolve(state: OrderState, event: OrderEvent): OrderState {
  if (event.type === "OrderCreated") return { ...event.payload, status: "created" };
  if (state.status === "none") return state;
  switch (event.type) {
    case "OrderShipped":
      return { ...state, ...event.payload, status: "shipped" };
    case "OrderDelivered":
      return { ...state, ...event.payload, status: "delivered" };
    case "OrderCancelled":
      return { ...state, reason: event.payload.reason, status: "cancelled" };
    case "OrderContactChanged":
      return { ...state, contact: event.payload.contact };
  }
}

/** The rules of an order with their types, as tests and `orders` use them. */
export const orderDecider: Decider<OrderState, OrderCommand, OrderEvent, OrderRejection> = {
  initialState: { status: "none" },
  decide,
  evolve,
};

const shipped = events.OrderShipped.payload.shape;

/** A state as a snapshot holds it. Strict, so that what is not sealed cannot stand where it should. */
const storedState: z.ZodType<OrderState> = z.union([
  z.strictObject({ status: z.literal("none") }),
  z.strictObject({
    ...events.OrderCreated.payload.shape,
    status: orderStatus,
    carrier: shipped.carrier.exactOptional(),
    trackingNumber: shipped.trackingNumber.exactOptional(),
    deliveredAt: events.OrderDelivered.payload.shape.deliveredAt.exactOptional(),
    reason: events.OrderCancelled.payload.shape.reason.exactOptional(),
  }),
]);

/** Orders as the registry lists them: routes under `orders`, streams of type `Order`. */
export const orders = defineAggregate({
  name: "orders",
  type: "Order",
  decider: orderDecider,
  commands,
  events,
  rejections,
  views: [ordersView, customersView, salesView],
  publications: [orderEvents],
  snapshot: { version: 1, state: storedState },
});
