import { z } from "zod";

import type { DomainEvent, RecordedEvent } from "./decider.ts";

// How a domain says what follows the log: reactors, and how any subscription is to be run.
//
// A view folds events into documents and takes effect exactly once (`View` in decider.ts). A reactor
// does something outside of the database, at least once for each event: the id of the call stays the
// same, so that whoever is called can tell a repeat.

/** Where a new subscription begins; one that exists goes on from its checkpoint. */
const startFrom = z.union([
  z.enum(["beginning", "end"]),
  z.strictObject({ position: z.int().min(0) }),
  z.strictObject({
    time: z.iso
      .datetime({ offset: true })
      .refine((time) => !time.startsWith("0000"), "must be of the year 1 or later"),
  }),
]);

const delayMs = z.int().min(1).max(3_600_000);

/** Every setting of a subscription; what is left out is the environment's. */
export const subscriptionSettings = z.strictObject({
  startFrom: startFrom.exactOptional(),
  /** Events that are taken from the log at once. */
  batchSize: z.int().min(1).max(10_000).exactOptional(),
  /** Events that were read and have not taken effect yet. */
  maxInFlight: z.int().min(1).max(100_000).exactOptional(),
  checkpointStrategy: z.enum(["every_event", "every_batch", "periodic"]).exactOptional(),
  /** Of `periodic`: the longest that an effect waits for its checkpoint. */
  checkpointIntervalMs: delayMs.exactOptional(),
  /** The longest that one call of a reactor may take. */
  processingTimeoutMs: delayMs.exactOptional(),
  /** The share of maxInFlight above which nothing more is read, until it is below again. */
  backpressureThreshold: z.number().gt(0).max(1).exactOptional(),
  /** Whether an event that keeps failing is put aside; else the subscription stops in front of it. */
  continueOnError: z.boolean().exactOptional(),
  /** How often a failed event is tried again before it waits for a person; and after which delays,
   * doubling from the first to the last, with jitter. */
  retries: z.int().min(0).max(100).exactOptional(),
  retryDelayMs: delayMs.exactOptional(),
  retryDelayMaxMs: delayMs.exactOptional(),
  /** Calls of a reactor at once, for different streams. */
  concurrency: z.int().min(1).max(1_000).exactOptional(),
  /** Only events of streams of these aggregate types. */
  aggregateTypes: z.array(z.string().min(1)).min(1).exactOptional(),
  /** Shares of its streams, which instances divide among them. */
  partitions: z.int().min(1).max(256).exactOptional(),
});

export type SubscriptionSettings = Readonly<z.output<typeof subscriptionSettings>>;

/** What a reactor's call is given beside the event. */
export type Call = {
  /** Subscription and position: the same at every repeat of the call. */
  readonly id: string;
  /** 1 at the first. */
  readonly attempt: number;
  /** Fires when the time of the call is over or the subscription goes to another process. */
  readonly signal: AbortSignal;
  /** The world outside; domain code has no other way to it. */
  readonly fetch: (url: string, init?: RequestInit) => Promise<Response>;
  /** The environment variables that the reactor names, and no other. */
  readonly variables: Readonly<Record<string, string>>;
};

/** Does something outside of the database for each event, at least once, in order of each stream. */
export type Reactor<Event extends DomainEvent = DomainEvent> = {
  readonly name: string;
  /** The event types it wants; others never reach it. */
  readonly events: readonly Event["type"][];
  /** Whatever it throws is a failure of the event; see `dependency-unavailable` for one that is not. */
  readonly handle: (event: RecordedEvent<Event>, call: Call) => void | Promise<void>;
  /** Environment variables that it needs; the service does not start without them. */
  readonly variables?: readonly string[];
  readonly settings?: SubscriptionSettings;
};

/** Checks a reactor against its own event types, then forgets them. */
export function defineReactor<Event extends DomainEvent>(reactor: Reactor<Event>): Reactor {
  return reactor as unknown as Reactor;
}
