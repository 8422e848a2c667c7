/**
 * What a caller waits: commands at a steady rate against a running service, each followed until its
 * order can be read from the view. Arrivals do not wait for answers, so that a stall is paid for by
 * all who arrive in it, as it is by real callers.
 */
import { sleep } from "#kernel/clock.ts";
import { uuidv7 } from "#kernel/ids.ts";

import { atRate } from "./rate.ts";
import { ascending, quantile } from "./statistics.ts";

export type HttpBenchOptions = {
  readonly url: string;
  readonly key: string;
  readonly perSecond: number;
  readonly durationMs: number;
  /** One read that waits for the command's position, as a caller would; or looks until it is there. */
  readonly read: "waiting" | "looking";
};

export type Spread = { readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number };

export type HttpBench = {
  readonly commands: number;
  readonly failed: number;
  /** From sending the command to its answer. */
  readonly answered: Spread;
  /** From sending the command to the first read that shows it. */
  readonly visible: Spread;
  /** From its answer to that read. */
  readonly after: Spread;
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
async function follow({ url, key, read: how }: HttpBenchOptions, id: string, customer: number) {
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
  const minimum =
    how === "looking"
      ? {}
      : { "Varve-Min-Position": answer.headers.get("Varve-Position") ?? "", Prefer: "wait=10" };
  while (performance.now() - sentAt < GIVE_UP_MS) {
    const read = await fetch(`${url}/queries/orders/${id}`, {
      headers: { ...headers, ...minimum },
    });
    await read.arrayBuffer();
    if (read.status === 200) return { answeredMs, visibleMs: performance.now() - sentAt };
    await sleep(LOOK_AGAIN_MS);
  }
  return undefined;
}

/** Measures. The service keeps the orders that it makes. */
export async function benchHttp(options: HttpBenchOptions): Promise<HttpBench> {
  const run = uuidv7();
  const total = Math.round((options.perSecond * options.durationMs) / 1000);
  const followed = await atRate(
    options.perSecond,
    Array.from(
      { length: total },
      (_, sent) => () => follow(options, `${run}-${sent}`, sent % 100).catch(() => undefined),
    ),
  );
  const seen = followed.filter((one) => one !== undefined);
  return {
    commands: total,
    failed: total - seen.length,
    answered: spread(seen.map(({ answeredMs }) => answeredMs)),
    visible: spread(seen.map(({ visibleMs }) => visibleMs)),
    after: spread(seen.map(({ visibleMs, answeredMs }) => visibleMs - answeredMs)),
  };
}
