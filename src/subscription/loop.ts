/**
 * The loop: all subscriptions of one process, from their leases to their checkpoints.
 *
 * What it promises: every subscription takes every event that it wants, in order: a view exactly once
 * in effect, a reactor at least once. Nothing is skipped: what cannot be taken becomes a dead letter
 * in the statement that passes it, and what depends on a failing system waits for it. Partitions are
 * shared among instances, and one that another instance is to have is given back as soon as what is
 * in hand is in effect.
 *
 * What it relies on: leases that the database's clock ends and an epoch that every write names; here
 * a lease counts from the moment when it was asked for. Hints only shorten waits; losing all of them
 * costs one poll interval.
 *
 * How it fails: VarveErrors are rested from and tried again, by each partition for itself
 * (`runner.ts`). A Defect ends the loop and with it the worker; the supervisor restarts it.
 *
 * What it does not do: it does not tell how far it is; health reads that from the database.
 */
import { sleep, type Clock } from "#kernel/clock.ts";
import { VarveError } from "#kernel/errors.ts";
import type { EventTypes } from "#domain/upcast.ts";
import { limits } from "#kernel/limits.ts";
import type { Logger } from "#kernel/log.ts";
import { readHead } from "#store/events.ts";
import { acquireLeases, type Lease, releaseLease, releaseLeases } from "#store/leases.ts";
import type { Pool } from "#store/pool.ts";
import { createTurns } from "#store/turns.ts";

import { backoffMs, createCondition } from "./condition.ts";
import { createCursor } from "./cursor.ts";
import type { Failure } from "./failure.ts";
import type { Marks } from "./marks.ts";
import type { SubscriptionReport } from "./messages.ts";
import { createPassing } from "./passing.ts";
import { createReader } from "./reader.ts";
import { type Runner, startRunner } from "./runner.ts";
import type { Subscription } from "./subscriptions.ts";
import { createTeller } from "./telling.ts";

export type LoopOptions = {
  readonly pool: Pool;
  /** Random for each start of the process: a restarted process is another owner. */
  readonly owner: string;
  readonly subscriptions: readonly Subscription[];
  /** What this program can read. */
  readonly eventTypes: EventTypes;
  readonly marks: Marks;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onFailure: (failure: Failure) => void;
  /** A checkpoint has moved. */
  readonly onMoved: () => void;
};

export type Loop = {
  /** Runs until drained. Rejects only with a Defect. */
  readonly run: () => Promise<void>;
  /** There is news: look now. */
  readonly wake: () => void;
  /**
   * Goes on to the head for at most half of the time, then brings what is in hand into effect, gives
   * the leases back and lets `run` end, before the time is over.
   */
  readonly drain: (withinMs?: number) => void;
  /** Of every partition that is held. */
  readonly report: () => readonly SubscriptionReport[];
};

/** Of the time for a drain: then what is in hand is left. */
const STOP_SHARE = 0.8;

const nameOf = ({ subscription, partition }: Lease): string => `${subscription} ${partition}`;

/** What all runners of a process share, and the way to start one; undefined for nothing of its own. */
function createStarting(options: LoopOptions) {
  const { pool, subscriptions, eventTypes, marks, clock, onMoved } = options;
  const reader = createReader(pool, eventTypes);
  const passing = createPassing(pool);
  const shared = {
    pool,
    passing,
    marks,
    clock,
    tell: createTeller(options),
    alone: createTurns(1),
  };
  const start = (lease: Lease, validUntilMs: number): Runner | undefined => {
    const subscription = subscriptions.find(({ keeps }) => keeps(lease));
    if (subscription === undefined) return undefined;
    const { settings, filter, makeWork } = subscription;
    const condition = createCondition(clock);
    const cursor = createCursor({ lease, validUntilMs, clock, onMoved });
    return startRunner({
      context: { ...shared, cursor, settings, condition },
      filter,
      reader,
      makeWork,
    });
  };
  return { reader, passing, start };
}

/** Gives leases back. */
function createReleasing({ pool, owner, log }: LoopOptions) {
  /** To be given back before it is taken up again, so that it comes with another epoch. */
  const renounced = new Set<string>();
  const release = async (name: string, held: Pick<Lease, "subscription" | "partition">) => {
    await releaseLease(pool, owner, held);
    renounced.delete(name);
  };
  return {
    isRenounced: (name: string): boolean => renounced.has(name),
    /** A lease that nobody here works with; tried again at the next renewal. */
    release: (name: string, lease: Lease): void => {
      release(name, lease).catch(() => undefined);
    },
    /** Whatever ends by itself has lost its lease, was told to stop, or is a defect, which it throws. */
    end: async (name: string, { cursor, ended, isStopping }: Runner): Promise<void> => {
      await ended;
      if (cursor.needsNewEpoch()) renounced.add(name);
      if (!isStopping() && !renounced.has(name)) return;
      await release(name, cursor).catch((error: unknown) => {
        log.warn({ error }, "a lease was not released: it will expire");
      });
    },
  };
}

/** The partitions in hand. */
function createRunners(options: LoopOptions) {
  const starting = createStarting(options);
  const releasing = createReleasing(options);
  const defect = Promise.withResolvers<never>();
  defect.promise.catch(() => undefined);
  const runners = new Map<string, Runner>();

  const start = (lease: Lease, validUntilMs: number): void => {
    const runner = starting.start(lease, validUntilMs);
    if (runner === undefined) return;
    runners.set(nameOf(lease), runner);
    void end(runner, nameOf(lease));
  };

  const end = async (runner: Runner, name: string): Promise<void> => {
    await releasing.end(name, runner).catch(defect.reject);
    if (runners.get(name) === runner) runners.delete(name);
  };

  const renew = (
    leases: readonly Lease[],
    { validUntilMs, isLeaving }: { readonly validUntilMs: number; readonly isLeaving: boolean },
  ): void => {
    const held = new Map(leases.map((lease) => [nameOf(lease), lease]));
    for (const [name, { cursor }] of runners) {
      if (held.get(name)?.epoch !== cursor.epoch) cursor.lose();
    }
    for (const [name, lease] of held) {
      const runner = runners.get(name);
      const isToGo = lease.surplus || releasing.isRenounced(name);
      // One that has just ended gets its next lease at the next renewal.
      if (runner === undefined && isToGo) releasing.release(name, lease);
      else if (runner === undefined && !isLeaving) start(lease, validUntilMs);
      else if (runner?.cursor.epoch === lease.epoch) runner.renew(lease, validUntilMs);
      if (lease.surplus) runner?.stop();
    }
  };

  return {
    reader: starting.reader,
    renew,
    defect: defect.promise,
    list: (): readonly Runner[] => [...runners.values()],
    /** Ends all of them, what is in hand in effect; after `withinMs` whatever is not is left. */
    stop: async (withinMs: number): Promise<void> => {
      const all = [...runners.values()];
      for (const runner of all) runner.stop();
      const ended = Promise.allSettled(all.map((runner) => runner.ended));
      const over = sleep(withinMs);
      await Promise.race([ended, over]);
      await Promise.race([starting.passing.settle(), over]);
      for (const { cursor } of all) cursor.lose();
    },
  };
}

type Runners = ReturnType<typeof createRunners>;

/** Takes and renews leases until the signal fires. */
async function keepLeases(
  { pool, owner, subscriptions, clock, log }: LoopOptions,
  runners: Runners,
  { draining, ended }: { readonly draining: AbortSignal; readonly ended: AbortSignal },
): Promise<void> {
  const runnable = subscriptions.map((subscription) => subscription.runnable);
  let failures = 0;

  /** Answers with how long to wait until the next time. */
  const renew = async (): Promise<number> => {
    // Measured from before the sending: the lease cannot end earlier than we think.
    const sentAtMs = clock();
    const reports = runners
      .list()
      .map((runner) => runner.report())
      .map(({ name, ...rest }) => ({ subscription: name, ...rest }));
    const request = { owner, runnable, durationMs: limits.leaseMs, reports };
    const leases = await acquireLeases(pool, request);
    const isLeaving = draining.aborted;
    runners.renew(leases, { validUntilMs: sentAtMs + limits.leaseMs, isLeaving });
    failures = 0;
    return Math.max(0, sentAtMs + limits.leaseRenewMs - clock());
  };

  /** Also while it fails a lease may be renewed in time: it is asked for again soon. */
  const renewSafely = async (): Promise<number> => {
    try {
      return await renew();
    } catch (error) {
      if (!(error instanceof VarveError)) throw error;
      failures += 1;
      if (failures === 1) log.warn({ code: error.code, error }, "leases cannot be renewed");
      return backoffMs(failures, limits.outageBackoffMsMax);
    }
  };

  while (!ended.aborted) await sleep(await renewSafely(), ended);
}

/** Resolves when the signal fires. */
const fired = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve());
  });

/** Makes the loop; nothing runs yet. */
export function createLoop(options: LoopOptions): Loop {
  const { pool, owner, clock, log } = options;
  const runners = createRunners(options);
  const draining = new AbortController();
  const ended = new AbortController();
  let catchUpUntilMs = 0;
  let stopUntilMs = 0;

  /** The end of the log now; as far as the process knows it where the database does not say in time. */
  const headWithin = async (waitMs: number): Promise<number> => {
    const known = runners.reader.head();
    const found = readHead(pool, waitMs).catch((error: unknown) => {
      if (error instanceof VarveError) return known;
      throw error;
    });
    return Promise.race([found, sleep(waitMs).then(() => known)]);
  };

  /** What was appended last is still to be read; what fails now is for the next owner. */
  const catchUp = async (): Promise<void> => {
    const mayAny = (to: number): boolean => runners.list().some((one) => one.mayCatchUp(to));
    if (!mayAny(Number.POSITIVE_INFINITY)) return;
    const end = await headWithin(Math.max(1, catchUpUntilMs - clock()));
    while (clock() < catchUpUntilMs && mayAny(end)) await sleep(limits.pollMsMin);
  };

  return {
    run: async () => {
      const signals = { draining: draining.signal, ended: ended.signal };
      const leases = keepLeases(options, runners, signals);
      await Promise.race([fired(draining.signal), leases, runners.defect]);
      await Promise.race([catchUp(), runners.defect]);
      await runners.stop(Math.max(0, stopUntilMs - clock()));
      ended.abort();
      await leases;
      await releaseLeases(pool, owner).catch((error: unknown) => {
        log.warn({ error }, "leases were not released: they will expire");
      });
    },
    wake: () => runners.reader.wake(),
    drain: (withinMs = limits.outageBackoffMsMax) => {
      catchUpUntilMs = clock() + withinMs / 2;
      // The rest is for giving the leases back.
      stopUntilMs = clock() + withinMs * STOP_SHARE;
      draining.abort();
      runners.reader.wake();
    },
    report: () => runners.list().map((runner) => runner.report()),
  };
}
