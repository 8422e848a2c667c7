import { z } from "zod";

import { sleep } from "#kernel/clock.ts";
import { accept, refuse, type Result } from "#kernel/result.ts";

import type { ServiceAccess } from "#ops/service-access.ts";

/** What the sales view holds in the demo's currency; amounts in pennies. */
export type Sales = {
  readonly currency: "GBP";
  readonly days: number;
  readonly orders: number;
  readonly revenue: number;
  readonly cancelledOrders: number;
  readonly cancelledRevenue: number;
};

/** An answer that was not the one asked for. */
export type Unread = { readonly status: number; readonly body: unknown };

const health = z.object({
  subscriptions: z.array(
    z.object({ role: z.string().nullable(), position: z.number(), lagEvents: z.number() }),
  ),
});

const salesPage = z.object({
  items: z.array(
    z.object({
      day: z.string(),
      orders: z.number(),
      revenue: z.number(),
      cancelledOrders: z.number(),
      cancelledRevenue: z.number(),
    }),
  ),
  nextCursor: z.string().nullish(),
});

/** One answer of a health or query route; a view that hangs must not hang the demo. */
const requestMs = 5_000;
const pollMs = 100;
/** At 50 days a page this is over a century of sales; it only stops a cursor that goes round. */
const pagesMax = 1_000;

/**
 * Waits until every view that serves has no lag and stands at `position` or beyond. False when the
 * deadline or the signal came first. Failing health checks are asked again.
 */
export async function viewsCaughtUp(
  url: string,
  position: number,
  options: { readonly withinMs: number; readonly signal: AbortSignal },
): Promise<boolean> {
  return until(performance.now() + options.withinMs, options.signal, async () => {
    const { subscriptions } = health.parse((await readJson(`${url}/health`)).body);
    const serving = subscriptions.filter(({ role }) => role === "serving");
    return (
      serving.length > 0 && serving.every((one) => one.lagEvents === 0 && one.position >= position)
    );
  });
}

/** Sums the sales view over all its days, or answers the first response that is not a page. */
export async function readSales({ url, key }: ServiceAccess): Promise<Result<Sales, Unread>> {
  const days = new Set<string>();
  let sums = { orders: 0, revenue: 0, cancelledOrders: 0, cancelledRevenue: 0 };
  let cursor = "";
  for (let page = 0; page < pagesMax; page += 1) {
    const query = new URLSearchParams({ currency: "GBP", ...(cursor !== "" && { cursor }) });
    const answer = await readJson(`${url}/queries/sales?${query.toString()}`, key);
    const read = salesPage.safeParse(answer.body);
    if (answer.status !== 200 || !read.success) return refuse(answer);
    for (const item of read.data.items) {
      days.add(item.day);
      sums = {
        orders: sums.orders + item.orders,
        revenue: sums.revenue + item.revenue,
        cancelledOrders: sums.cancelledOrders + item.cancelledOrders,
        cancelledRevenue: sums.cancelledRevenue + item.cancelledRevenue,
      };
    }
    cursor = read.data.nextCursor ?? "";
    if (cursor === "") break;
  }
  return accept({ currency: "GBP", days: days.size, ...sums });
}

async function readJson(url: string, key?: string): Promise<Unread> {
  const response = await fetch(url, {
    headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
    signal: AbortSignal.timeout(requestMs),
  });
  const text = await response.text();
  try {
    return { status: response.status, body: JSON.parse(text) };
  } catch {
    return { status: response.status, body: text };
  }
}

/** Asks until the answer is yes; an error is a no. */
async function until(
  deadline: number,
  signal: AbortSignal,
  ask: () => Promise<boolean>,
): Promise<boolean> {
  while (!signal.aborted) {
    if (await ask().catch(() => false)) return true;
    if (performance.now() + pollMs > deadline) return false;
    await sleep(pollMs, signal);
  }
  return false;
}
