import { afterAll, beforeAll, expect, test } from "bun:test";

import { openMetrics } from "#telemetry/metrics.ts";
import { openTestApp, type TestApp } from "#test/app.ts";

let app: TestApp;
beforeAll(async () => {
  app = await openTestApp({ draining: AbortSignal.abort() });
});
afterAll(() => app.close());

test("metrics are answered as Prometheus text when nobody says who asks, also in the drain", async () => {
  const answer = await app.send("/metrics", {}, null);
  expect([answer.status, answer.headers.get("Content-Type")]).toEqual([
    200,
    "text/plain; version=0.0.4",
  ]);
});

test("metrics are told with what they are, their sums and their buckets when they are asked for", async () => {
  const { meter, text } = openMetrics();
  meter("varve.snapshot.loads", 1, "hit");
  meter("varve.snapshot.loads", 1, "missing");
  meter("varve.snapshot.loads", 1, "hit");
  for (const events of [0, 7, 250_000]) meter("varve.aggregate.replayed_events", events);
  expect((await text()).trim().split("\n")).toEqual([
    "# HELP varve_snapshot_loads_total Loads of aggregates, by what their snapshot was good for",
    "# TYPE varve_snapshot_loads_total counter",
    'varve_snapshot_loads_total{outcome="hit"} 2',
    'varve_snapshot_loads_total{outcome="missing"} 1',
    "# HELP varve_aggregate_replayed_events Events that one load of an aggregate folded",
    "# TYPE varve_aggregate_replayed_events histogram",
    "varve_aggregate_replayed_events_count 3",
    "varve_aggregate_replayed_events_sum 250007",
    ...[
      ["0", 1],
      ["1", 1],
      ["10", 2],
      ["100", 2],
      ["1000", 2],
      ["10000", 2],
      ["100000", 2],
      ["+Inf", 3],
    ].map(([bound, count]) => `varve_aggregate_replayed_events_bucket{le="${bound}"} ${count}`),
  ]);
});
