import { z } from "zod";

import { aggregates } from "#domain/registry.ts";
import type { AnyAggregate, View } from "#domain/decider.ts";
import type { Reactor } from "#domain/subscription.ts";
import { eventTypesOf, type EventTypes } from "#domain/upcast.ts";
import { monotonicMs } from "#kernel/clock.ts";
import { uuidv7 } from "#kernel/ids.ts";
import type { Logger } from "#kernel/log.ts";
import type { Pool } from "#store/pool.ts";
import { declareSubscriptions, definitionOf, viewsOf } from "#subscription/declare.ts";
import type { Failure } from "#subscription/failure.ts";
import { createLoop, type LoopOptions } from "#subscription/loop.ts";
import { createMarks, marksMemory } from "#subscription/marks.ts";
import type { SettingDefaults } from "#subscription/settings.ts";
import { reactorSubscription, viewSubscription } from "#subscription/subscriptions.ts";

/** The views of every aggregate, as the worker runs them. */
export const allViews: readonly View[] = viewsOf(aggregates);

/** What the environment says where it says nothing. */
export const settingDefaults: SettingDefaults = {
  batchSize: 100,
  maxInFlight: 1_000,
  checkpointStrategy: "every_batch",
  processingTimeoutMs: 30_000,
  backpressureThreshold: 0.8,
  continueOnError: true,
};

/** Of a test's view: another name or version is another definition. */
export const fingerprintOf = (view: Pick<View, "name" | "version">): string =>
  new Bun.CryptoHasher("sha256").update(definitionOf(view)).digest("hex");

export const fingerprintsOf = (views: readonly View[]): ReadonlyMap<string, string> =>
  new Map(views.map((view) => [definitionOf(view), fingerprintOf(view)]));

type Declared = { readonly views?: readonly View[]; readonly reactors?: readonly Reactor[] };

/** Makes what they need in the database, as the start does. */
export async function ensureSubscriptions(
  pool: Pool,
  { views = [], reactors = [] }: Declared,
  defaults: SettingDefaults = settingDefaults,
): Promise<void> {
  const aggregate = { views, reactors } as unknown as AnyAggregate;
  await declareSubscriptions(pool, {
    aggregates: [aggregate],
    targets: [],
    fingerprints: fingerprintsOf(views),
    defaults,
  });
}

export const ensureViews = (pool: Pool, views: readonly View[]): Promise<void> =>
  ensureSubscriptions(pool, { views });

/** A logger that keeps the codes of what went wrong. */
export function codesLog(): { readonly codes: string[]; readonly log: Logger } {
  const codes: string[] = [];
  const keep: Logger["error"] = ({ code }) => {
    if (typeof code === "string") codes.push(code);
  };
  return { codes, log: { debug: keep, info: keep, warn: keep, error: keep } };
}

/** What a loop of a test can read: every aggregate's events, and those of `appends.ts`. */
export const knownTypes: EventTypes = new Map([
  ...eventTypesOf(aggregates),
  ["Happened", { aggregateType: "Thing", definition: { version: 1, payload: z.unknown() } }],
]);

/** A loop of a test: what it follows, and whatever is not as usual. */
export type LoopUnderTest = Declared &
  Partial<SettingDefaults> &
  Pick<LoopOptions, "pool"> &
  Partial<LoopOptions> & { readonly variables?: Readonly<Record<string, string>> };

/** A running loop with an owner of its own. `stop` drains it; throws its defect. */
export function startLoop(options: LoopUnderTest) {
  const { codes, log } = codesLog();
  const failures: Failure[] = [];
  const { views = [], reactors = [], variables = {}, eventTypes = knownTypes } = options;
  const shared = { defaults: { ...settingDefaults, ...options }, eventTypes };
  const loop = createLoop({
    owner: uuidv7(),
    subscriptions: [
      ...views.map((view) => viewSubscription(view, fingerprintOf(view), shared)),
      ...reactors.map((reactor) => reactorSubscription(reactor, variables, shared)),
    ],
    eventTypes,
    marks: createMarks(marksMemory()),
    clock: monotonicMs,
    log,
    onFailure: (failure) => failures.push(failure),
    onMoved: () => undefined,
    ...options,
  });
  const running = loop.run();
  running.catch(() => undefined);
  return {
    ...loop,
    codes,
    failures,
    running,
    stop: async (): Promise<void> => {
      loop.drain();
      await running;
    },
  };
}
