import type { Counter, Histogram } from "@opentelemetry/api";

import type { Meter } from "#kernel/log.ts";

/**
 * The metrics of a process, kept by OpenTelemetry and told as Prometheus text.
 *
 * What it promises. The list below is all that is measured. Names are OpenTelemetry's, with dots;
 * Prometheus sees underscores, and counters end with `_total`. The one label is `outcome`, from a
 * closed set: no id, nothing of a caller's.
 *
 * How it fails. Recording never throws. A name that the list lacks does not compile.
 *
 * What it does not do. It opens no port and sends nothing: `GET /metrics` asks for the text.
 */
const instruments = {
  "varve.snapshot.loads": {
    kind: "counter",
    description: "Loads of aggregates, by what their snapshot was good for",
  },
  "varve.snapshot.saves": {
    kind: "counter",
    description: "Snapshots that were due, by what came of them",
  },
  "varve.aggregate.cache_lookups": {
    kind: "counter",
    description: "Looks for a folded state in memory, by what was found",
  },
  "varve.aggregate.replayed_events": {
    kind: "histogram",
    description: "Events that one load of an aggregate folded",
    // From a fresh snapshot to the longest stream that is loaded without one.
    boundaries: [0, 1, 10, 100, 1_000, 10_000, 100_000],
  },
} as const;

export type MetricName = keyof typeof instruments;

export type Metrics = {
  readonly meter: Meter<MetricName>;
  /** All metrics so far, in Prometheus' text format 0.0.4. */
  readonly text: () => Promise<string>;
};

/** The instruments, in the libraries that keep them. */
async function load(): Promise<Metrics> {
  const [{ MeterProvider }, { PrometheusExporter, PrometheusSerializer }] = await Promise.all([
    import("@opentelemetry/sdk-metrics"),
    import("@opentelemetry/exporter-prometheus"),
  ]);
  const exporter = new PrometheusExporter({ preventServerStart: true });
  const serializer = new PrometheusSerializer("", false, undefined, true, true);
  const meter = new MeterProvider({ readers: [exporter] }).getMeter("varve");

  const counters = new Map<string, Counter>();
  const histograms = new Map<string, Histogram>();
  for (const [name, { kind, description, ...rest }] of Object.entries(instruments)) {
    if (kind === "counter") counters.set(name, meter.createCounter(name, { description }));
    else {
      const advice = "boundaries" in rest ? { explicitBucketBoundaries: [...rest.boundaries] } : {};
      histograms.set(name, meter.createHistogram(name, { description, advice }));
    }
  }
  return {
    meter: (name, value, outcome) => {
      const labels = outcome === undefined ? {} : { outcome };
      counters.get(name)?.add(value, labels);
      histograms.get(name)?.record(value, labels);
    },
    text: async () => serializer.serialize((await exporter.collect()).resourceMetrics),
  };
}

/**
 * Opens the metrics. The libraries are loaded when first something is recorded or asked for: they
 * would cost a start 14 ms, and an idle process 3 MiB.
 */
export function openMetrics(): Metrics {
  const early: Parameters<Metrics["meter"]>[] = [];
  let loaded: Metrics | undefined;
  let loading: Promise<Metrics> | undefined;
  const open = async (): Promise<Metrics> => {
    const metrics = await (loading ??= load());
    for (const call of early.splice(0)) metrics.meter(...call);
    return (loaded = metrics);
  };
  return {
    meter: (...call) => {
      if (loaded !== undefined) return loaded.meter(...call);
      early.push(call);
      void open();
    },
    text: async () => (await open()).text(),
  };
}
