import { expect, test } from "bun:test";

import { openMetrics, type GaugeValue } from "#telemetry/metrics.ts";

const lag = (subscription: string, value: number): GaugeValue => ({
  name: "varve.subscription.lag_events",
  value,
  subscription,
});

const lines = (text: string): readonly string[] => text.trim().split("\n");

test("gauge is as of now when the text is asked for, and gone with what it tells of", async () => {
  let values = [lag("orders", 7), lag("orders:building", 900)];
  const { text } = openMetrics(() => Promise.resolve(values));
  const head = [
    "# HELP varve_subscription_lag_events Events that the slowest partition has not come to yet",
    "# TYPE varve_subscription_lag_events gauge",
  ];
  expect(lines(await text()).slice(0, 4)).toEqual([
    ...head,
    'varve_subscription_lag_events{subscription="orders"} 7',
    'varve_subscription_lag_events{subscription="orders:building"} 900',
  ]);
  values = [lag("orders", 0)];
  expect(lines(await text()).slice(0, 4)).toEqual([
    ...head,
    'varve_subscription_lag_events{subscription="orders"} 0',
    expect.stringMatching(/^# /),
  ]);
  values = [];
  expect(await text()).not.toContain("varve_subscription");
});

test("errors are counted by their category when a subscription fails", async () => {
  const { meter, text } = openMetrics();
  meter("varve.subscription.errors", 1, "transient");
  meter("varve.subscription.errors", 2, "permanent");
  meter("varve.subscription.errors", 1, "transient");
  expect(lines(await text())).toEqual([
    "# HELP varve_subscription_errors_total Failures of subscriptions, by their category",
    "# TYPE varve_subscription_errors_total counter",
    'varve_subscription_errors_total{category="transient"} 2',
    'varve_subscription_errors_total{category="permanent"} 2',
  ]);
});
