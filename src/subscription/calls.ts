/**
 * A reactor's calls: as many at once as it may, and none while it is paused, a dependency is not there,
 * or it has stopped in front of an event.
 */
import type { RecordedEvent } from "#domain/decider.ts";
import { sleep } from "#kernel/clock.ts";
import { VarveError } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";
import { createTurns } from "#store/turns.ts";

import { callHandler, type Handler } from "./call.ts";
import { classify, type Classified } from "./failure.ts";
import type { PageEvent } from "./windows.ts";
import type { WorkContext } from "./work.ts";

/** How a call failed, once no dependency stood in its way. */
export type CallFailure = { readonly error: unknown; readonly classified: Classified };

export type CallOptions = {
  readonly attempt: number;
  /** Whether a failure stops the reactor in front of the event. */
  readonly halts: boolean;
  /** Whether it has ended a worker: it is called while nothing else is. */
  readonly isSuspect: boolean;
  /** Where it is not called any more: how it has failed so far. */
  readonly givenUp: CallFailure | undefined;
};

export type Calls = {
  /**
   * Calls for an event until it is known what becomes of it, with `halts` until it succeeds; undefined
   * where it went well. Throws `lease-lost` where the partition goes to another process.
   */
  readonly call: (page: PageEvent, options: CallOptions) => Promise<CallFailure | undefined>;
  /** Begins nothing more: calls that wait are left to the next holder. */
  readonly end: () => void;
  readonly isEnding: () => boolean;
};

/** When a call may be made. */
function createGate({ cursor, condition }: WorkContext) {
  const ending = new AbortController();
  const over = AbortSignal.any([cursor.signal, ending.signal]);
  /** Events that it has stopped in front of: those that were under way when the first one failed. */
  const halting = new Set<number>();

  const assertHeld = (): void => {
    if (cursor.isValid() && !ending.signal.aborted) return;
    // What was given back must not be overtaken under a lease that is renewed after all.
    if (!cursor.isValid()) cursor.lose();
    const { subscription, partition } = cursor;
    throw new VarveError("lease-lost", "the partition is not held", { subscription, partition });
  };
  const isStopped = (position: number): boolean => halting.size > 0 && !halting.has(position);
  const isFree = (position: number): boolean =>
    condition.restMs() === 0 && !cursor.lease().paused && !isStopped(position);

  return {
    ending,
    halting,
    assertHeld,
    isStopped,
    isFree,
    /** Waits outside of the turns, of which whatever it waits for may need one. */
    untilFree: async (position: number): Promise<void> => {
      while (!isFree(position)) {
        assertHeld();
        await sleep(condition.restMs() || limits.pollMsMax, over);
      }
      assertHeld();
    },
  };
}

/** For how long a receiver asks to be left alone. */
function askedMs(error: unknown): number {
  const asked = error instanceof VarveError ? error.context["retryAfterMs"] : undefined;
  return typeof asked === "number" ? asked : 0;
}

/** What reading runs is the domain's as well. */
function readMarked({ cursor, marks }: WorkContext, page: PageEvent) {
  const mark = marks(cursor);
  mark.at(page.stored.position);
  try {
    return page.read();
  } finally {
    mark.end();
  }
}

/** Makes one call, whatever comes of it. */
function createAttempt(context: WorkContext, handle: Handler, onWell: (position: number) => void) {
  const { alone, cursor, settings, marks } = context;
  const once = async (event: RecordedEvent, attempt: number): Promise<CallFailure | undefined> => {
    const mark = marks(cursor);
    try {
      const timeoutMs = settings.processingTimeoutMs;
      await callHandler(handle, event, { cursor, attempt, timeoutMs, mark });
      onWell(event.position);
      return undefined;
    } catch (error) {
      return { error, classified: classify(error) };
    } finally {
      mark.end();
    }
  };
  return async (page: PageEvent, options: CallOptions): Promise<CallFailure | undefined> => {
    const { attempt, isSuspect } = options;
    const read = readMarked(context, page);
    if (read.ok && isSuspect) return alone(() => once(read.value, attempt));
    if (read.ok) return once(read.value, attempt);
    return { error: read.error, classified: classify(read.error) };
  };
}

/** Makes the calls of a reactor; none is under way. */
export function createCalls(context: WorkContext, handle: Handler): Calls {
  const { cursor, settings, condition, tell } = context;
  const turns = createTurns(settings.concurrency);
  const gate = createGate(context);
  const attempted = createAttempt(context, handle, (position) => {
    if (!gate.isStopped(position)) condition.succeed();
  });

  /** A receiver that fails all calls at once is one failure. */
  const pause = ({ error, classified }: CallFailure, halted: boolean): void => {
    if (condition.restMs() > 0) return;
    const leastMs = askedMs(error);
    condition.fail(classified.code, { mostMs: limits.backoffMsMax, leastMs, halted });
    const { subscription, partition } = cursor;
    const outcome = halted ? "stopped" : "paused";
    const attempt = condition.failures();
    tell({ ...classified, subscription, partition, attempt, outcome }, error);
  };

  /** Whether the call is to be made again; said before the next one gets the turn. */
  const isToWait = (position: number, failure: CallFailure, halts: boolean): boolean => {
    const isOutage = failure.classified.category === "infrastructure";
    if (!isOutage && !halts) return false;
    if (!isOutage) {
      condition.count(failure.classified.code, gate.halting.has(position));
      gate.halting.add(position);
    }
    pause(failure, !isOutage);
    return true;
  };

  return {
    call: async (page, options) => {
      const { position } = page.stored;
      try {
        for (;;) {
          await gate.untilFree(position);
          const ended = await turns(async () => {
            gate.assertHeld();
            if (!gate.isFree(position)) return undefined;
            const failure = options.givenUp ?? (await attempted(page, options));
            if (failure !== undefined && !cursor.isValid()) gate.assertHeld();
            const again = failure !== undefined && isToWait(position, failure, options.halts);
            return again ? undefined : { failure };
          });
          if (ended !== undefined) return ended.failure;
        }
      } finally {
        gate.halting.delete(position);
      }
    },
    end: () => gate.ending.abort(),
    isEnding: () => gate.ending.signal.aborted,
  };
}
