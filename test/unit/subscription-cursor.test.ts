import { expect, test } from "bun:test";

import { createCursor } from "#subscription/cursor.ts";
import { leaseOf } from "#test/support/views.ts";

const lease = leaseOf("orders");

const letter = {
  kind: "stream",
  key: "Order-1",
  stream: "Order-1",
  position: 1,
  eventId: "0198c0de-0000-7000-8000-000000000001",
  eventType: "OrderCreated",
  errorCode: "view-failed",
  attempts: 1,
  dueInMs: null,
} as const;

test("cursor knows of its letters when renewals are answered while they are being written", async () => {
  const options = { lease, validUntilMs: 1_000, clock: () => 0, onMoved: () => undefined };
  const cursor = createCursor(options);
  const written = Promise.withResolvers<boolean>();
  const step = { toPosition: 1, taken: [], letters: [letter], settled: [] };
  const writing = cursor.write(step, () => written.promise);
  await Promise.resolve();
  // Neither answer can know of the letter.
  cursor.renew(lease, 1_000);
  cursor.renew(lease, 1_000);
  written.resolve(true);
  await writing;
  expect(cursor.hasLetters()).toBe(true);
  // This one was asked for before the letter was there.
  cursor.renew(lease, 1_000);
  expect(cursor.hasLetters()).toBe(true);
  cursor.renew({ ...lease, position: 1 }, 1_000);
  expect(cursor.hasLetters()).toBe(false);
});
