import { describe, expect, test } from "bun:test";

import { inOrderPerCustomer } from "#ops/demo/in-order.ts";

type Item = { readonly customerId: string; readonly no: number };

const items = (...customers: readonly string[]): Item[] =>
  customers.map((customerId, no) => ({ customerId, no }));

describe("sending in order", () => {
  test("sending keeps other customers going when one customer's command hangs", async () => {
    const gate = Promise.withResolvers<void>();
    const done: number[] = [];
    const all = inOrderPerCustomer(items("slow", "a", "slow", "b", "a", "b"), 2, async (item) => {
      if (item.no === 0) await gate.promise;
      done.push(item.no);
      if (done.length === 4) gate.resolve();
      return "continue";
    });
    await all;
    expect(done).toEqual([1, 3, 4, 5, 0, 2]);
  });

  test("sending starts nothing new when a command says stop, and awaits what runs", async () => {
    const started: number[] = [];
    const ended: number[] = [];
    const gate = Promise.withResolvers<void>();
    const all = inOrderPerCustomer(items("a", "b", "b", "c", "a"), 2, async (item) => {
      started.push(item.no);
      if (item.no === 0) await gate.promise;
      ended.push(item.no);
      if (item.no !== 1) return "continue";
      gate.resolve();
      return "stop";
    });
    await all;
    expect({ started, ended }).toEqual({ started: [0, 1], ended: [1, 0] });
  });

  test("sending rejects when the work rejects, after what runs has ended", async () => {
    const gate = Promise.withResolvers<void>();
    const ended: number[] = [];
    const all = inOrderPerCustomer(items("a", "b", "c"), 2, async (item) => {
      if (item.no === 1) {
        gate.resolve();
        throw new Error("broken");
      }
      await gate.promise;
      ended.push(item.no);
      return "continue";
    });
    const message = await all.catch((error: unknown) => (error as Error).message);
    expect({ message, ended }).toEqual({ message: "broken", ended: [0] });
  });
});
