import type { PublishedEvent } from "#subscription/delivery/cloud-event.ts";
import { fact, recorded } from "#test/unit/orders/samples.ts";

const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/** The creation of an order as the store reads it. */
export const created = {
  ...recorded(fact.created, 1),
  schemaVersion: 1,
  metadata: { requestId: "r-canary", actor: "key:canary", traceparent: trace },
} satisfies PublishedEvent;

/** A secret of 32 bytes, each of that value. */
export const secretOf = (byte: number): string =>
  `whsec_${new Uint8Array(32).fill(byte).toBase64()}`;

/** A signal that never fires. */
export const never = new AbortController().signal;
