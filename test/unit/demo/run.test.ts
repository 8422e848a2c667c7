import { afterEach, describe, expect, test } from "bun:test";

import { type DemoOptions, type Report, runDemo } from "#ops/demo/run.ts";
import type { Patience } from "#ops/demo/send.ts";

import { type Peer, type PeerOptions, problem, startPeer } from "./peer.ts";
import { header, record, withFile } from "./samples.ts";

const silent: DemoOptions["progress"] = {
  note: () => undefined,
  begin: () => undefined,
  advance: () => undefined,
  end: () => undefined,
};
const hasty: Patience = {
  requestMs: 5_000,
  backoffMsMin: 1,
  backoffMsMax: 4,
  retryAfterMsMax: 50,
  giveUpMs: 5_000,
};

/** Three customers with two orders each, and what the file also holds: see `counts`. */
const csv = [
  header,
  ...["1", "2", "3"].flatMap((customer) =>
    ["0", "1"].map((no) =>
      record(`${customer}${no}`, "A", 2, "1.50").replace("1.0,", `${customer}.0,`),
    ),
  ),
  record("C90", "A", -1, "1.50"),
  record("C91", "B", -1, "1.50"),
  record("92", "A", -1, "1.50"),
].join("\n");
const counts = { orders: 6, shipped: 6, delivered: 0, cancelled: 1, skipped: 1, unmatched: 1 };
const sums = {
  currency: "GBP" as const,
  days: 1,
  orders: 6,
  revenue: 1_800,
  cancelledOrders: 1,
  cancelledRevenue: 300,
};

let peer: Peer | undefined;
const start = (options: PeerOptions = {}): Peer => {
  peer = startPeer(options);
  return peer;
};
afterEach(async () => {
  await peer?.stop();
  peer = undefined;
});

const run = (url: string, options: Partial<DemoOptions> = {}): Promise<Report> =>
  withFile(csv, (file) =>
    runDemo({
      service: { url, key: "k" },
      file,
      concurrency: 8,
      progress: silent,
      signal: new AbortController().signal,
      patience: hasty,
      ...options,
    }),
  );

/** A report without what the clock decides. */
const timeless = (report: Report) => ({ ...report, seconds: 0, commandsPerSecond: 0 });

/** The report of a run over the whole file. */
const whole: Report = {
  ...counts,
  outcome: "done",
  planned: 13,
  commands: 13,
  alreadyThere: 0,
  seconds: 0,
  commandsPerSecond: 0,
  position: 13,
  sales: sums,
  failure: null,
};

describe("the demo", () => {
  test("the demo sends the file, waits for the views and reads the sums back", async () => {
    const { url } = start();
    expect(timeless(await run(url))).toEqual(whole);
  });

  for (const idempotency of [true, false]) {
    const kept = idempotency ? "answers are kept" : "no answer is kept";
    test(`the demo ends with the same totals and adds nothing when ${kept}`, async () => {
      const { url, effects } = start({ idempotency });
      await run(url);
      const again = await run(url);
      expect(timeless(again)).toEqual({
        ...whole,
        alreadyThere: 13,
        position: idempotency ? 13 : 0,
      });
      expect(effects.length).toBe(13);
    });
  }

  test("the demo keeps each customer's order while different customers overlap", async () => {
    const waiting = new Map<string, () => void>();
    const { url, effects, inFlightMax } = start({
      // Answers once all three customers have a command on its way, or one is the last.
      before: async ({ orderId }) => {
        const gate = Promise.withResolvers<void>();
        waiting.set(orderId, gate.resolve);
        if (waiting.size === 3 || effects.length >= 9) {
          for (const release of waiting.values()) release();
          waiting.clear();
        }
        await gate.promise;
        return undefined;
      },
    });
    const report = await run(url);
    const histories = Map.groupBy(effects, ({ customerId }) => customerId);
    const story = (customerId: string) =>
      histories.get(customerId)?.map(({ orderId, command }) => `${command} ${orderId}`);
    expect({
      outcome: report.outcome,
      inFlightMax: inFlightMax(),
      first: story("c-1"),
      second: story("c-2"),
      third: story("c-3"),
    }).toEqual({
      outcome: "done",
      inFlightMax: 3,
      first: ["create 10", "ship 10", "create 11", "ship 11", "cancel 11"],
      second: ["create 20", "ship 20", "create 21", "ship 21"],
      third: ["create 30", "ship 30", "create 31", "ship 31"],
    });
  });

  test("the demo sends one command at a time when the concurrency is one", async () => {
    const { url, inFlightMax } = start();
    await run(url, { concurrency: 1 });
    expect(inFlightMax()).toBe(1);
  });

  test("the demo loses and doubles nothing when every other answer is lost", async () => {
    let no = 0;
    const lost = () => ((no += 1) % 2 === 0 ? problem(503, "outcome-unknown") : undefined);
    const { url, effects } = start({ after: lost });
    const report = await run(url);
    const alreadyThere = expect.any(Number);
    expect(timeless(report)).toEqual({ ...whole, alreadyThere, position: alreadyThere });
    expect(effects.length).toBe(13);
    expect(report.alreadyThere).toBeGreaterThan(0);
  });

  test("the demo stops with the problem when a command is refused", async () => {
    const { url, effects } = start({
      before: ({ orderId, command }) =>
        orderId === "11" && command === "ship" ? problem(403, "forbidden") : undefined,
    });
    const report = await run(url, { concurrency: 1 });
    expect({ ...timeless(report), effects: effects.length }).toEqual({
      ...whole,
      orders: 2,
      shipped: 1,
      cancelled: 0,
      outcome: "failed",
      commands: 3,
      position: 3,
      sales: null,
      failure: {
        command: "orders/11/ship",
        status: 403,
        problem: {
          type: "urn:varve:problem:forbidden",
          title: "forbidden",
          status: 403,
          code: "forbidden",
        },
      },
      effects: 3,
    });
  });

  test("the demo counts what was on its way when interrupted, and goes on when run again", async () => {
    const controller = new AbortController();
    const { url, effects } = start({
      after: () => {
        if (effects.length === 5) controller.abort();
        return undefined;
      },
    });
    const interrupted = await run(url, { signal: controller.signal });
    expect({ outcome: interrupted.outcome, sales: interrupted.sales }).toEqual({
      outcome: "interrupted",
      sales: null,
    });
    expect(interrupted.commands).toBe(effects.length);
    expect(effects.length).toBeLessThan(13);
    const before = effects.length;
    const resumed = await run(url);
    expect(timeless(resumed)).toEqual({ ...whole, alreadyThere: before });
    expect(effects.length).toBe(13);
  });

  test("the demo says that the views are behind when they do not follow in time", async () => {
    const { url } = start({ viewPosition: (head) => Math.min(head, 7) });
    const report = await run(url, { viewsMs: 300 });
    expect(report.outcome).toBe("views-behind");
  });

  test("the demo waits for the views when they follow late", async () => {
    let asked = 0;
    const { url } = start({ viewPosition: (head) => ((asked += 1) > 3 ? head : 0) });
    const report = await run(url);
    expect({ outcome: report.outcome, asked }).toEqual({ outcome: "done", asked: 4 });
  });

  test("the demo leaves the sums out when the key may not read them", async () => {
    const { url } = start({ sales: () => problem(403, "forbidden") });
    const report = await run(url);
    expect({ outcome: report.outcome, sales: report.sales }).toEqual({
      outcome: "done",
      sales: null,
    });
    expect(report.failure?.status).toBe(403);
  });

  test("the demo adds up all pages when the sums come in pages", async () => {
    const item = (day: string) => ({
      day,
      orders: 2,
      revenue: 10,
      cancelledOrders: 1,
      cancelledRevenue: 5,
    });
    const pages: Record<string, unknown> = {
      "": { items: [item("2010-12-01"), item("2010-12-02")], nextCursor: "next" },
      next: { items: [item("2010-12-03")], nextCursor: null },
    };
    const page = (url: URL) => Response.json(pages[url.searchParams.get("cursor") ?? ""]);
    const { url } = start({ sales: page });
    expect((await run(url)).sales).toEqual({
      currency: "GBP",
      days: 3,
      orders: 6,
      revenue: 30,
      cancelledOrders: 3,
      cancelledRevenue: 15,
    });
  });

  test("the demo makes up new orders each run when there is no file", async () => {
    const { url, effects } = start();
    const options = { file: undefined, limit: 10 };
    const report = await run(url, options);
    expect(timeless(report)).toEqual({
      ...whole,
      orders: 10,
      shipped: 8,
      delivered: 4,
      cancelled: 2,
      skipped: 0,
      unmatched: 0,
      planned: 24,
      commands: 24,
      position: 24,
      sales: expect.objectContaining({ orders: 10, cancelledOrders: 2 }),
    });
    expect(effects.length).toBe(24);
  });
});
