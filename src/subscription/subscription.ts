import type { View } from "#domain/decider.ts";
import type { Clock } from "#kernel/clock.ts";
import { limits } from "#kernel/limits.ts";
import type { Lease } from "#store/leases.ts";

import type { SubscriptionReport, SubscriptionState } from "./messages.ts";

/** What one process knows of one subscription. */
export type Subscription = {
  readonly view: View;
  /** Held by this process; undefined while another has it. */
  readonly lease: Lease | undefined;
  /** Held, and not resting after a failure. */
  readonly isDue: () => boolean;
  /** Takes the answer of a renewal; undefined where the lease is not ours. */
  readonly hold: (lease: Lease | undefined) => void;
  readonly advance: (position: number) => void;
  /** The log was read up to the position; `more` where its page was full. */
  readonly seen: (position: number, more: boolean) => void;
  /** So many events became dead letters; it goes on without them. */
  readonly putAside: (events: number) => void;
  readonly fail: (code: string, cause: FailureCause) => void;
  readonly report: () => SubscriptionReport;
};

const MINUTE_MS = 60_000;
/** Failures that are remembered one by one; past this the rate is critical anyway. */
const REMEMBERED = 1_000;

/** What failed: the view's own code on an event, writing its page, reading the log for all, or a
 * month that must be restored first. */
export type FailureCause = "event" | "write" | "read" | "archived";

/** After a failed reading the loop rests, and nobody for itself. */
const pauseMsMax: Readonly<Record<FailureCause, number>> = {
  event: limits.backoffMsMax,
  write: limits.outageBackoffMsMax,
  read: 0,
  archived: limits.backoffMsMax,
};

/** The rest after so many failures in a row: doubling, bounded, with jitter. */
export const backoffMs = (failures: number, mostMs: number): number => {
  const doubledMs = limits.backoffMsMin * 2 ** Math.min(failures - 1, 16);
  return Math.min(doubledMs, mostMs) * (0.5 + Math.random() / 2);
};

/** A subscription that holds nothing yet. */
export function createSubscription(view: View, clock: Clock): Subscription {
  let lease: Lease | undefined;
  let state: SubscriptionState = "starting";
  let failures = 0;
  let eventsFailed = 0;
  let lastError: string | null = null;
  let dueAtMs = 0;
  let failedAtMs: number[] = [];

  const succeed = (): void => {
    failures = 0;
    lastError = null;
  };

  const remember = (count: number): void => {
    const now = Array.from({ length: count }, () => clock());
    failedAtMs = [...failedAtMs, ...now].slice(-REMEMBERED);
  };

  return {
    view,
    get lease() {
      return lease;
    },
    isDue: () => lease !== undefined && clock() >= dueAtMs,
    hold: (held) => {
      // Within one epoch only this process moves the checkpoint, so that its own count is right.
      if (held === undefined) state = "stopped";
      else if (lease?.epoch !== held.epoch) state = "catching_up";
      if (held === undefined || lease?.epoch !== held.epoch) lease = held;
    },
    advance: (position) => {
      if (lease !== undefined) lease = { ...lease, position };
      succeed();
    },
    seen: (position, more) => {
      if (lease === undefined) return;
      // Nothing waits for it any more, so that a failure to read, which no event follows, is over.
      if (lease.position >= position) succeed();
      if (failures === 0) state = more ? "catching_up" : "live";
    },
    putAside: (events) => {
      eventsFailed += events;
      remember(events);
    },
    fail: (code, cause) => {
      failures += 1;
      // However often it is tried again, it is one event that fails.
      if (cause === "event" && failures === 1) eventsFailed += 1;
      lastError = code;
      state = "error";
      remember(1);
      dueAtMs = clock() + backoffMs(failures, pauseMsMax[cause]);
    },
    report: () => ({
      name: view.name,
      held: lease !== undefined,
      state,
      eventsFailed,
      errorsLastMinute: failedAtMs.filter((atMs) => atMs > clock() - MINUTE_MS).length,
      lastError,
    }),
  };
}
