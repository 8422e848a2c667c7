import type { Clock } from "#kernel/clock.ts";
import type { Pool } from "#store/pool.ts";

import type { Condition } from "./condition.ts";
import type { Cursor } from "./cursor.ts";
import { classify, type Classified, type Failure } from "./failure.ts";
import type { Marks } from "./marks.ts";
import type { Passing } from "./passing.ts";
import type { Page, PageEvent } from "./windows.ts";
import { retryDelayMs, type Settings } from "./settings.ts";

/** What the work of any kind is given. */
export type WorkContext = {
  readonly cursor: Cursor;
  readonly settings: Settings;
  readonly condition: Condition;
  readonly pool: Pool;
  readonly passing: Passing;
  readonly marks: Marks;
  /** Lets one at a time run, among all subscriptions: what may end the worker. */
  readonly alone: <Value>(work: () => Promise<Value>) => Promise<Value>;
  readonly clock: Clock;
  /** Tells the log and the hooks of a failure. */
  readonly tell: (failure: Failure, error: unknown) => void;
  /** There is something to do between two pages. */
  readonly nudge: () => void;
};

/** How a view or a reactor takes what the reader gives. Each may throw VarveError; a repeat is safe. */
export type Work = {
  /** Takes the page in hand, also where it throws; it need not have taken effect yet. */
  readonly feed: (page: Page) => Promise<void>;
  /** Writes what is due to be written. Throws also what failed in between. */
  readonly tick: () => Promise<void>;
  /** Until the next tick is due by itself; Infinity for never. */
  readonly tickMs: () => number;
  /** Events that were read and have not taken effect. */
  readonly inFlight: () => number;
  /** Resolves once there is room for more, by the threshold of back-pressure, or on a nudge. */
  readonly room: () => Promise<void>;
  /** Writes what is done already, while the rest waits for something. */
  readonly save: () => Promise<void>;
  /** Begins nothing more: what waits for its turn, or for a dependency, is left to the next holder. */
  readonly giveUp: () => void;
  /** Tries the letters that are due. True if there may be more. */
  readonly retry: () => Promise<boolean>;
  /** Brings everything in hand into effect, with its checkpoint, as far as it can. */
  readonly finish: () => Promise<void>;
};

/** It stopped in front of an event, because it must not go on without it. */
export class Halt extends Error {
  override readonly name = "Halt";
  readonly classified: Classified;

  constructor(classified: Classified, cause: unknown) {
    super("a subscription stopped in front of an event", { cause });
    this.classified = classified;
  }
}

/** Events that may be in hand at once: the threshold of back-pressure of the most. */
export const roomOf = ({ maxInFlight, backpressureThreshold }: Settings): number =>
  Math.max(1, Math.floor(maxInFlight * backpressureThreshold));

/** When a failed event is tried again by itself, after so many attempts; null for not any more. */
export function nextAttemptMs(
  settings: Settings,
  { category }: Classified,
  attempts: number,
): number | null {
  const isLast = category === "permanent" || attempts > settings.retries;
  return isLast ? null : retryDelayMs(settings, attempts);
}

type TriedEvent = Pick<Failure, "attempt" | "outcome"> & {
  readonly error: unknown;
  /** What its subscription's own code throws. */
  readonly code?: string;
  /** It had failed before. */
  readonly isRepeat?: boolean;
};

/** Tells of an event that failed. */
export function tellEvent(
  { cursor, condition, tell }: WorkContext,
  { stored }: PageEvent,
  failed: TriedEvent,
): void {
  const { error, attempt, outcome } = failed;
  const classified = classify(error, failed.code);
  condition.count(classified.code, failed.isRepeat ?? false);
  const { position, eventId, type: eventType } = stored;
  const { subscription, partition } = cursor;
  const where = { subscription, partition, position, eventId, eventType };
  tell({ ...classified, ...where, attempt, outcome }, error);
}
