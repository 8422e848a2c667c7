import { orders } from "#domain/orders/order.ts";
import { utcMicros } from "#kernel/clock.ts";
import type { CommandRequest } from "#command/handle.ts";
import type { GroupCommit } from "#store/group-commit.ts";
import type { Pool } from "#store/pool.ts";
import { createCommandHandler } from "#command/handle.ts";
import type { States } from "#command/states.ts";
import { createGroupCommit } from "#store/group-commit.ts";
import type { Keyring } from "#pii/keyring.ts";

import { openTestStates } from "./states.ts";

/** What nobody may find but by opening it. */
export const secret = { name: "Ada Kanarienvogel", email: "ada.kanarienvogel@example.org" };

/** A valid body of `create`. */
export const createBody = {
  customerId: "c-17850",
  contact: secret,
  shippingAddress: {
    line1: "1 Kanarienvogel Square",
    city: "London",
    postcode: "SW1",
    country: "GB",
  },
  currency: "GBP",
  lines: [{ sku: "85123A", quantity: 6, unitPrice: 255 }],
};

/** A command as the edge hands it in. */
export const request = (
  aggregateId: string,
  command: string,
  body: Readonly<Record<string, unknown>>,
  expectedVersion?: number,
): CommandRequest => ({
  aggregate: orders,
  aggregateId,
  command,
  body,
  at: utcMicros(new Date().toISOString()),
  metadata: { requestId: "r-1" },
  ...(expectedVersion === undefined ? {} : { expectedVersion }),
});

/** The handler over the store, and the positions that it told of. */
export function openHandler(
  pool: Pool,
  keyring: Keyring,
  groupCommit: GroupCommit = createGroupCommit(pool),
  states: States = openTestStates(pool),
) {
  const told: number[] = [];
  const onAppended = (position: number): void => void told.push(position);
  return { handle: createCommandHandler({ pool, groupCommit, keyring, states, onAppended }), told };
}
