import { describe, expect, test } from "bun:test";

import type { AnyAggregate } from "#domain/decider.ts";
import { checkSubscriptions } from "#subscription/declare.ts";
import { assertSettings, settingsOf } from "#subscription/settings.ts";
import { settingDefaults } from "#test/support/loops.ts";

/** The lines of what it throws; none where it does not throw. */
const faultsOf = (check: () => unknown): readonly string[] => {
  try {
    check();
    return [];
  } catch (error) {
    return error instanceof Error ? error.message.split("\n  ") : ["not an error"];
  }
};

const refused = (settings: unknown) =>
  faultsOf(() => assertSettings([{ name: "orders", settings }], settingDefaults)).slice(1);

describe("settings of a subscription", () => {
  test("nothing is refused when every setting is within its bounds", () => {
    expect(
      refused({
        startFrom: { time: "2026-01-01T00:00:00+01:00" },
        batchSize: 10_000,
        maxInFlight: 100_000,
        checkpointStrategy: "periodic",
        checkpointIntervalMs: 1,
        processingTimeoutMs: 3_600_000,
        backpressureThreshold: 1,
        continueOnError: false,
        retries: 0,
        retryDelayMs: 1,
        retryDelayMaxMs: 1,
        concurrency: 1_000,
        aggregateTypes: ["Order"],
        partitions: 256,
      }),
    ).toEqual([]);
  });

  test.each([
    ["unknown field", { batchSise: 1 }],
    ["unknown word", { checkpointStrategy: "sometimes" }],
    ["unknown start", { startFrom: "middle" }],
    ["unknown field of a start", { startFrom: { position: 1, time: "2026-01-01T00:00:00Z" } }],
    ["start before the log", { startFrom: { position: -1 } }],
    ["start that is no time", { startFrom: { time: "yesterday" } }],
    ["batch of none", { batchSize: 0 }],
    ["batch that is not whole", { batchSize: 1.5 }],
    ["threshold of nothing", { backpressureThreshold: 0 }],
    ["threshold above all", { backpressureThreshold: 1.1 }],
    ["number as text", { maxInFlight: "100" }],
    ["time-out of nothing", { processingTimeoutMs: 0 }],
    ["retries below none", { retries: -1 }],
    ["no calls at all", { concurrency: 0 }],
    ["too many partitions", { partitions: 257 }],
    ["no aggregate type", { aggregateTypes: [] }],
    ["start at a time to come", { startFrom: { time: "2200-01-01T00:00:00Z" } }],
    ["start in the year 0", { startFrom: { time: "0000-01-01T00:00:00Z" } }],
    ["batch that is more than may be in flight", { batchSize: 11, maxInFlight: 10 }],
    ["batch that is more than the environment lets be in flight", { batchSize: 1_001 }],
  ])("one fault is named when there is an %s", (_, settings) => {
    const faults = refused(settings);
    expect(faults.length).toBe(1);
    expect(faults[0]).toStartWith("orders ");
  });

  test("all faults of all subscriptions are named at once", () => {
    const declared = [
      { name: "first", settings: { batchSize: 0, retries: 101 } },
      { name: "second", settings: { checkpointStrategy: "never" } },
      { name: "third" },
    ];
    const faults = faultsOf(() => assertSettings(declared, settingDefaults)).slice(1);
    expect(faults.map((fault) => fault.split(" ").slice(0, 2))).toEqual([
      ["first", "batchSize"],
      ["first", "retries"],
      ["second", "checkpointStrategy"],
    ]);
  });

  test("what a subscription declares goes before the environment, and that before the rest", () => {
    const environment = { ...settingDefaults, batchSize: 7, maxInFlight: 70 };
    const settings = settingsOf({ settings: { batchSize: 5, concurrency: 2 } }, environment);
    expect(settings).toEqual({
      ...environment,
      startFrom: "beginning",
      batchSize: 5,
      checkpointIntervalMs: 1_000,
      retries: 3,
      retryDelayMs: 200,
      retryDelayMaxMs: 30_000,
      concurrency: 2,
      aggregateTypes: undefined,
      partitions: 1,
    });
  });
});

describe("checkSubscriptions", () => {
  const reactor = (name: string, changed: object = {}) => ({
    name,
    events: ["Happened"],
    handle: () => undefined,
    ...changed,
  });

  const check = (reactors: readonly object[], environment = {}, views: readonly object[] = []) => {
    const aggregate = { type: "Thing", views, reactors, events: { Happened: {} } };
    return checkSubscriptions([aggregate as unknown as AnyAggregate], settingDefaults, environment);
  };

  test("variables are given when every subscription is valid", () => {
    const variables = ["RECEIVER"];
    const environment = { RECEIVER: "here", SECRET: "not asked for" };
    expect(check([reactor("calls", { variables })], environment)).toEqual({ RECEIVER: "here" });
  });

  test("all faults are named at once when there are several", () => {
    const reactors = [
      reactor("calls"),
      reactor("calls"),
      reactor("Not A Name"),
      reactor("wants", { events: ["Nothing"] }),
      reactor("asks", { settings: { aggregateTypes: ["Thing", "Thign"] } }),
      reactor("needs", { variables: ["RECEIVER", "EMPTY"] }),
    ];
    const views = [{ name: "sees", version: 1, events: ["Happened", "Unseen"] }];
    const faults = faultsOf(() => check(reactors, { EMPTY: "" }, views));
    expect(faults).toEqual([
      "the subscriptions are invalid:",
      "calls stands for two subscriptions",
      "Not A Name must be 1 to 60 of a-z 0-9 - and begin with a letter",
      "nothing declares Unseen of sees",
      "nothing declares Nothing of wants",
      "nothing declares Thign of asks",
      "RECEIVER must be set: needs needs it",
      "EMPTY must be set: needs needs it",
    ]);
  });
});
