import type { AnyAggregate } from "./decider.ts";
import { orders } from "./orders/order.ts";

/** Every aggregate of the service. A new one is its folder and a line here. */
export const aggregates: readonly AnyAggregate[] = [orders];
