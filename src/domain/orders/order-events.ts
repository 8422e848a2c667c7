import { definePublication } from "#domain/decider.ts";

import type { OrderEvent } from "./events.ts";

/** Everything that happens to orders, for whoever is configured to hear of it; nothing is opened. */
export const orderEvents = definePublication<OrderEvent>({
  name: "order-events",
  events: [
    "OrderCreated",
    "OrderShipped",
    "OrderDelivered",
    "OrderCancelled",
    "OrderContactChanged",
  ],
});
