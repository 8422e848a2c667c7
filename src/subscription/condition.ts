import type { Clock } from "#kernel/clock.ts";
import { limits } from "#kernel/limits.ts";

import type { SubscriptionReport, SubscriptionState } from "./messages.ts";

/** How one partition of a subscription is doing, as its holder knows. */
export type Condition = {
  /** Something failed that is no event's fault, or in front of an event that it must not pass. */
  readonly fail: (
    code: string,
    /** It rests for `leastMs` at least, where something asks for that. */
    pause: { readonly mostMs: number; readonly leastMs?: number; readonly halted: boolean },
  ) => void;
  /** It goes on. */
  readonly succeed: () => void;
  readonly failures: () => number;
  /** Until it is to be tried again; 0 for now. */
  readonly restMs: () => number;
  /** An event failed, whatever becomes of it; `isRepeat` where it had failed before. */
  readonly count: (code: string, isRepeat: boolean) => void;
  readonly become: (state: SubscriptionState) => void;
  /** It has gone past so many events. */
  readonly pass: (events: number) => void;
  readonly report: () => Omit<SubscriptionReport, "name" | "partition" | "epoch" | "inFlight">;
};

/** Failures that are remembered one by one; past this the rate is critical anyway. */
const REMEMBERED = 1_000;
const MINUTE_MS = 60_000;
/** The rate of events is of the last while, so that it follows a change within seconds. */
const RATE_MS = 5_000;

/** The rest after so many failures in a row: doubling, bounded, with jitter. */
export const backoffMs = (failures: number, mostMs: number): number => {
  const doubledMs = limits.backoffMsMin * 2 ** Math.min(failures - 1, 16);
  return Math.min(doubledMs, mostMs) * (0.5 + Math.random() / 2);
};

/** A good one that has not begun. */
export function createCondition(clock: Clock): Condition {
  let state: SubscriptionState = "starting";
  let failures = 0;
  let halted = false;
  let eventsFailed = 0;
  let lastError: string | null = null;
  let dueAtMs = 0;
  let failedAtMs: number[] = [];
  let rates: { atMs: number; events: number }[] = [];

  const remember = (code: string): void => {
    lastError = code;
    failedAtMs = [...failedAtMs, clock()].slice(-REMEMBERED);
  };

  const eventsPerSecond = (): number => {
    rates = rates.filter(({ atMs }) => atMs > clock() - RATE_MS);
    const events = rates.reduce((all, one) => all + one.events, 0);
    return Math.round(events / (RATE_MS / 1_000));
  };

  return {
    fail: (code, pause) => {
      failures += 1;
      state = "error";
      ({ halted } = pause);
      remember(code);
      dueAtMs = clock() + Math.max(pause.leastMs ?? 0, backoffMs(failures, pause.mostMs));
    },
    succeed: () => {
      if (failures > 0) lastError = null;
      failures = 0;
      halted = false;
    },
    failures: () => failures,
    restMs: () => Math.max(0, dueAtMs - clock()),
    count: (code, isRepeat) => {
      if (!isRepeat) eventsFailed += 1;
      remember(code);
    },
    become: (next) => {
      if (failures === 0) state = next;
    },
    pass: (events) => {
      const [last] = rates.slice(-1);
      // A bucket for a tenth of a second: a busy subscription must not keep an entry for each page.
      if (last !== undefined && last.atMs > clock() - 100) last.events += events;
      else rates.push({ atMs: clock(), events });
    },
    report: () => ({
      state,
      halted,
      eventsFailed,
      errorsLastMinute: failedAtMs.filter((atMs) => atMs > clock() - MINUTE_MS).length,
      lastError,
      eventsPerSecond: eventsPerSecond(),
    }),
  };
}
