/** A reactor that tells a receiver of each event, for a copy of the tree; and what the receiver heard. */
import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { copyTree } from "#test/e2e/tree-copy.ts";
import { edit } from "#test/support/domain-copy.ts";

/** One call, as the reactor made it. */
export type Call = {
  readonly id: string;
  readonly stream: string;
  readonly version: number;
  readonly position: number;
};

const source = `import { defineReactor } from "#domain/subscription.ts";

import type { OrderEvent } from "./events.ts";

export const recorder = defineReactor<OrderEvent>({
  name: "recorder",
  events: [
    "OrderCreated",
    "OrderShipped",
    "OrderDelivered",
    "OrderCancelled",
    "OrderContactChanged",
  ],
  variables: ["RECORDER_URL"],
  handle: async ({ aggregateId: stream, version, position }, { id, signal, fetch, variables }) => {
    const body = JSON.stringify({ id, stream, version, position });
    const answer = await fetch(variables["RECORDER_URL"] ?? "", { method: "POST", body, signal });
    await answer.arrayBuffer();
    if (!answer.ok) throw new Error("the receiver refused");
  },
  settings: { partitions: 4 },
});
`;

const importOfView = 'import { ordersView } from "./orders-view.ts";';
const importOfRecorder = 'import { recorder } from "./recorder.ts";';

/** A copy of the tree that has the reactor, and its view of orders in partitions. */
export function copyWithRecorder() {
  const tree = copyTree((path) => !path.startsWith("test"));
  symlinkSync(join(process.cwd(), "node_modules"), join(tree, "node_modules"));
  writeFileSync(join(tree, "src/domain/orders/recorder.ts"), source);
  edit(tree, [
    ["domain/orders/order.ts", importOfView, `${importOfView}\n${importOfRecorder}`],
    ["domain/orders/order.ts", "  publications:", "  reactors: [recorder],\n  publications:"],
    [
      "domain/orders/orders-view.ts",
      "  byKey: true,",
      "  byKey: true,\n  settings: { partitions: 4 },",
    ],
  ]);
  return { tree, remove: (): void => rmSync(tree, { recursive: true }) };
}

/** Keeps every call that it answers with 204. */
export function startRecorder() {
  const calls: Call[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      calls.push((await request.json()) as Call);
      return new Response(null, { status: 204 });
    },
  });
  return { url: server.url.href, calls, stop: (): Promise<void> => server.stop(true) };
}

/** What is wrong with the calls, given what the log has: none missing, and each stream in order. */
export function callFaults(
  calls: readonly Call[],
  events: readonly Omit<Call, "id">[],
): readonly string[] {
  const firsts = new Map<string, number>();
  const faults: string[] = [];
  for (const { id, stream, version, position } of calls) {
    if (id !== `recorder:${position}`) faults.push(`call ${id} is of position ${position}`);
    const before = firsts.get(stream) ?? 0;
    if (version <= before) continue;
    if (version !== before + 1) faults.push(`${stream} was called ${version} after ${before}`);
    firsts.set(stream, version);
  }
  const called = new Set(calls.map(({ position }) => position));
  const missing = events.filter(({ position }) => !called.has(position));
  for (const { stream, version } of missing) faults.push(`${stream} ${version} was never called`);
  return faults;
}
