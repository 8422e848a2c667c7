import type { Counter, Histogram } from "@opentelemetry/api";

import type { Meter } from "#kernel/log.ts";

/**
 * The metrics of a process, kept by OpenTelemetry and told as Prometheus text.
 *
 * What it promises. The lists below are all that is measured. Names are OpenTelemetry's, with dots;
 * Prometheus sees underscores, and counters end with `_total`. Each has one label at most, from a
 * closed set: no id, nothing of a caller's. A gauge is as of the moment of the answer, or absent.
 *
 * How it fails. Recording never throws. A name that the list lacks does not compile.
 *
 * What it does not do. It opens no port and sends nothing: `GET /metrics` asks for the text.
 */
const instruments = {
  "varve.subscription.errors": {
    kind: "counter",
    label: "category",
    description: "Failures of subscriptions, by their category",
  },
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

/** Told of each subscription, from whatever knows it at that moment. */
const gauges = {
  "varve.subscription.lag_events": "Events that the slowest partition has not come to yet",
  "varve.subscription.dead_letters": "Dead letters that wait",
} as const;

export type MetricName = keyof typeof instruments;

export type GaugeValue = {
  readonly name: keyof typeof gauges;
  readonly value: number;
  readonly subscription: string;
};

export type Metrics = {
  readonly meter: Meter<MetricName>;
  /** All metrics so far, in Prometheus' text format 0.0.4. */
  readonly text: () => Promise<string>;
};

const loadLibraries = async () => ({
  ...(await import("@opentelemetry/sdk-metrics")),
  ...(await import("@opentelemetry/exporter-prometheus")),
});

/** A place for instruments, and the text of what they hold. */
async function openSink() {
  const { MeterProvider, PrometheusExporter, PrometheusSerializer } = await loadLibraries();
  const exporter = new PrometheusExporter({ preventServerStart: true });
  const serializer = new PrometheusSerializer("", false, undefined, true, true);
  return {
    meter: new MeterProvider({ readers: [exporter] }).getMeter("varve"),
    text: async () => serializer.serialize((await exporter.collect()).resourceMetrics),
  };
}

/** A sink of their own: one that is kept tells a label for ever, with the last value that it had. */
async function gaugesText(values: readonly GaugeValue[]): Promise<string> {
  if (values.length === 0) return "";
  const { meter, text } = await openSink();
  for (const [name, description] of Object.entries(gauges)) {
    const gauge = meter.createGauge(name, { description });
    for (const each of values) {
      if (each.name === name) gauge.record(each.value, { subscription: each.subscription });
    }
  }
  return text();
}

/** The instruments that are kept, in the libraries that keep them. */
async function load(): Promise<Metrics> {
  const { meter, text } = await openSink();
  const counters = new Map<string, Counter>();
  const histograms = new Map<string, Histogram>();
  const labels = new Map<string, string>();
  for (const [name, { kind, description, ...rest }] of Object.entries(instruments)) {
    labels.set(name, "label" in rest ? rest.label : "outcome");
    if (kind === "counter") counters.set(name, meter.createCounter(name, { description }));
    else {
      const advice = "boundaries" in rest ? { explicitBucketBoundaries: [...rest.boundaries] } : {};
      histograms.set(name, meter.createHistogram(name, { description, advice }));
    }
  }
  return {
    meter: (name, value, of) => {
      const attributes = of === undefined ? {} : { [labels.get(name) ?? ""]: of };
      counters.get(name)?.add(value, attributes);
      histograms.get(name)?.record(value, attributes);
    },
    text,
  };
}

/**
 * Opens the metrics; `look` is asked for the gauges whenever the text is. The libraries are loaded
 * when first something is recorded or asked for: they would cost a start 14 ms, and an idle process
 * 3 MiB.
 */
export function openMetrics(
  look: () => Promise<readonly GaugeValue[]> = () => Promise.resolve([]),
): Metrics {
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
    // In this order: what stands for no metric at all has no end of line.
    text: async () => (await gaugesText(await look())) + (await (await open()).text()),
  };
}
