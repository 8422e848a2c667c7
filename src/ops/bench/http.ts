/**
 * What a caller waits: commands at a steady rate against a running service, each followed until its
 * order can be read from the view. Arrivals do not wait for answers, so that a stall is paid for by
 * all who arrive in it, as it is by real callers.
 */
import { sleep } from "#kernel/clock.ts";
import { uuidv7 } from "#kernel/ids.ts";

import { ascending, quantile } from "./statistics.ts";

export type HttpBenchOptions = {
  readonly url: string;
  readonly key: string;
  readonly perSecond: number;
  readonly durationMs: number;
};

export type Spread = { readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number };

export type HttpBench = {
  readonly commands: number;
  readonly failed: number;
  /** From sending the command to its answer. */
  readonly answered: Spread;
  /** From sending the command to the first read that shows it. */
  readonly visible: Spread;
};

/** Between two looks for the document: what a look costs must not become the load. */
const LOOK_AGAIN_MS = 5;
const GIVE_UP_MS = 10_000;

const spread = (latencies: readonly number[]): Spread => {
  const sorted = ascending(latencies);
  return {
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
    maxMs: sorted.at(-1) ?? 0,
  };
};

const order = (customer: number): string =>
  JSON.stringify({
    customerId: `bench-${customer}`,
    contact: { name: `Bench ${customer}`, email: `bench${customer}@example.org` },
    shippingAddress: { line1: "1 Bench Street", city: "Leeds", postcode: "LS1 1AA", country: "GB" },
    currency: "GBP",
    lines: [{ sku: "85123A", quantity: 6, unitPrice: 255 }],
  });

/** Sends one command and follows it; undefined where it failed or was not seen in time. */
async function follow({ url, key }: HttpBenchOptions, id: string, customer: number) {
  const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
  const sentAt = performance.now();
  const answer = await fetch(`${url}/commands/orders/${id}/create`, {
    method: "POST",
    headers,
    body: order(customer),
  });
  await answer.arrayBuffer();
  const answeredMs = performance.now() - sentAt;
  if (answer.status !== 201) return undefined;
  while (performance.now() - sentAt < GIVE_UP_MS) {
    const read = await fetch(`${url}/queries/orders/${id}`, { headers });
    await read.arrayBuffer();
    if (read.status === 200) return { answeredMs, visibleMs: performance.now() - sentAt };
    await sleep(LOOK_AGAIN_MS);
  }
  return undefined;
}

/** Measures. The service keeps the orders that it makes. */
export async function benchHttp(options: HttpBenchOptions): Promise<HttpBench> {
  const run = uuidv7();
  const startedAt = performance.now();
  const under: Promise<Awaited<ReturnType<typeof follow>>>[] = [];
  const total = Math.round((options.perSecond * options.durationMs) / 1000);
  for (let sent = 0; sent < total; sent += 1) {
    const dueMs = (sent / options.perSecond) * 1000 - (performance.now() - startedAt);
    if (dueMs > 0) await sleep(dueMs);
    under.push(follow(options, `${run}-${sent}`, sent % 100).catch(() => undefined));
  }
  const seen = (await Promise.all(under)).filter((one) => one !== undefined);
  return {
    commands: total,
    failed: total - seen.length,
    answered: spread(seen.map(({ answeredMs }) => answeredMs)),
    visible: spread(seen.map(({ visibleMs }) => visibleMs)),
  };
}
