/**
 * The loop: one reader in each process that feeds every view.
 *
 * What it promises: a view sees every event once in effect and in order. A page of the log is read
 * after the slowest checkpoint, folded for each view, and written with the checkpoint in one
 * statement that the epoch of the lease guards. Nothing is skipped: an event that a view wants and
 * this program cannot read becomes a dead letter in that statement, and later events of its stream
 * wait behind it; a view whose own code fails stays where it is, says so, and is tried again, while
 * the others go on.
 *
 * What it relies on: dense positions (a gap is a defect, never waited out), and the store's
 * `apply_projection`. Hints only shorten the wait; losing all of them costs one poll interval.
 *
 * How it fails: VarveErrors are backed off from and retried for ever, visible in the report. A
 * Defect ends the loop and with it the worker; the supervisor restarts it.
 *
 * What it does not do: side effects, reading on while a page is being written, or telling how far
 * it is; health reads that from the database.
 */
import type { View } from "#domain/decider.ts";
import type { EventTypes } from "#domain/upcast.ts";
import { sleep, type Clock } from "#kernel/clock.ts";
import { Defect, invariant, isCode, VarveError } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";
import type { Logger } from "#kernel/log.ts";
import { readAfter } from "#store/events.ts";
import { acquireLeases, releaseLeases } from "#store/leases.ts";
import type { Pool } from "#store/pool.ts";

import type { SubscriptionReport } from "./messages.ts";
import { projectPage, readPage, type PageEvent } from "./project.ts";
import { backoffMs, createSubscription, type Subscription } from "./subscription.ts";

export type LoopOptions = {
  readonly pool: Pool;
  /** Random for each start of the process: a restarted process is another owner. */
  readonly owner: string;
  readonly views: readonly View[];
  /** What this program can read. */
  readonly eventTypes: EventTypes;
  readonly batchSize: number;
  /** Whether an event that cannot be read is put aside; else its view stops in front of it. */
  readonly continueOnError: boolean;
  readonly clock: Clock;
  readonly log: Logger;
};

export type Loop = {
  /** Runs until drained. Rejects only with a Defect. */
  readonly run: () => Promise<void>;
  /** There is news: look now. */
  readonly wake: () => void;
  /** Goes on to the head for at most `catchUpMs`, gives the leases back, and lets `run` end. */
  readonly drain: (catchUpMs?: number) => void;
  readonly report: () => readonly SubscriptionReport[];
};

type Context = LoopOptions & { readonly subscriptions: readonly Subscription[] };

/** Takes and renews leases; answers when they are due again. */
async function renewLeases(context: Context): Promise<number> {
  // Measured from before the sending: the lease cannot end earlier than we think.
  const sentAtMs = context.clock();
  const views = context.subscriptions.map(({ view }) => view);
  const leases = await acquireLeases(context.pool, context.owner, views, limits.leaseMs);
  for (const subscription of context.subscriptions) {
    subscription.hold(leases.find((lease) => lease.subscription === subscription.view.name));
  }
  return sentAtMs + limits.leaseRenewMs;
}

/** Brings one subscription to the end of the page. Its failure is its own. */
async function feed(
  { pool, log, continueOnError }: Context,
  subscription: Subscription,
  events: readonly PageEvent[],
): Promise<void> {
  const { lease, view } = subscription;
  const toPosition = events.at(-1)?.stored.position ?? 0;
  if (lease === undefined || lease.position >= toPosition) return;
  const { epoch, position: fromPosition } = lease;
  try {
    const page = { view, epoch, fromPosition, toPosition, events, continueOnError };
    const { applied, position, deadLetters, stopped } = await projectPage(pool, page);
    if (!applied) return subscription.hold(undefined);
    if (position > fromPosition) subscription.advance(position);
    if (stopped !== undefined) throw stopped;
    const [first] = deadLetters;
    if (first === undefined) return;
    subscription.putAside(deadLetters.length);
    const { errorCode: code, position: from } = first;
    const fields = { subscription: view.name, code, position: from, count: deadLetters.length };
    log.error(fields, "events were put aside as dead letters");
  } catch (error) {
    if (error instanceof Defect) throw error;
    const isUnreadable = isCode(error, "schema-behind", "upcast-failed");
    const isOutage = error instanceof VarveError && !isUnreadable;
    const code = error instanceof VarveError ? error.code : "view-failed";
    subscription.fail(code, isOutage ? "write" : "event");
    log.error({ subscription: view.name, code, error }, "a subscription cannot go on");
  }
}

type Due = { readonly subscription: Subscription; readonly position: number };

/**
 * The page after a position; undefined where it lies in an archive. Who waits there says so and
 * rests; the others go on, and it goes on by itself once the month is restored.
 */
async function readPageFor({ pool, batchSize, log }: Context, due: readonly Due[], from: number) {
  try {
    return await readAfter(pool, from, batchSize);
  } catch (error) {
    if (!isCode(error, "partition-archived")) throw error;
    const { code, context } = error;
    const partition = context["partition"];
    for (const { subscription } of due.filter(({ position }) => position === from)) {
      const isNews = subscription.report().lastError !== code;
      subscription.fail(code, "archived");
      const fields = { subscription: subscription.view.name, code, partition };
      const restore = `varve partitions restore ${partition}`;
      if (isNews) log.error({ ...fields, restore }, "a subscription needs an archived partition");
    }
    return undefined;
  }
}

/** Reads after the slowest checkpoint and feeds every view. True if there may be more at once. */
async function readAndFeed(context: Context): Promise<boolean> {
  const due = context.subscriptions.flatMap((subscription) =>
    subscription.lease !== undefined && subscription.isDue()
      ? [{ subscription, position: subscription.lease.position }]
      : [],
  );
  if (due.length === 0) return false;
  // 2. Read.
  const from = Math.min(...due.map(({ position }) => position));
  const page = await readPageFor(context, due, from);
  if (page === undefined) return due.some(({ position }) => position > from);
  for (const [index, event] of page.entries()) {
    invariant(event.position === from + 1 + index, "the log has a gap");
  }
  // 3. Fold and write, for each view on its own.
  const events = readPage(context.eventTypes, page);
  await Promise.all(due.map(({ subscription }) => feed(context, subscription, events)));
  // 4. Say how close we are.
  const reached = page.at(-1)?.position ?? from;
  for (const { subscription } of due) subscription.seen(reached, page.length === context.batchSize);
  return page.length > 0;
}

/** Nothing can be read: every subscription says so, and the loop rests. */
async function backOff(
  { subscriptions, log }: Context,
  failures: number,
  error: unknown,
): Promise<void> {
  if (!(error instanceof VarveError)) throw error;
  for (const subscription of subscriptions) subscription.fail(error.code, "read");
  const passing = isCode(error, "database-unavailable", "database-timeout");
  log[passing ? "warn" : "error"]({ code: error.code, error }, "the log cannot be read");
  await sleep(backoffMs(failures, limits.outageBackoffMsMax));
}

/** The wait between two looks: until a hint, or for an interval that doubles while nothing comes. */
function createRest() {
  let news = new AbortController();
  let pauseMs: number = limits.pollMsMin;
  return {
    wake: (): void => news.abort(),
    reset: (): void => {
      pauseMs = limits.pollMsMin;
    },
    take: async (): Promise<void> => {
      await sleep(pauseMs, news.signal);
      pauseMs = news.signal.aborted ? limits.pollMsMin : Math.min(pauseMs * 2, limits.pollMsMax);
      if (news.signal.aborted) news = new AbortController();
    },
  };
}

/** Makes the loop; nothing runs yet. */
export function createLoop(options: LoopOptions): Loop {
  const { pool, owner, clock, log } = options;
  const subscriptions = options.views.map((view) => createSubscription(view, clock));
  const context: Context = { ...options, subscriptions };
  const rest = createRest();
  let draining = false;
  let drainUntilMs = 0;
  let renewAtMs = 0;
  let failures = 0;

  /** One look at the log. True if there may be more at once. */
  const look = async (): Promise<boolean> => {
    // 1. Keep the leases.
    if (clock() >= renewAtMs) renewAtMs = await renewLeases(context);
    const more = await readAndFeed(context);
    failures = 0;
    return more;
  };

  const follow = async (): Promise<void> => {
    try {
      if (await look()) rest.reset();
      else if (!draining) await rest.take();
    } catch (error) {
      renewAtMs = 0;
      failures += 1;
      await backOff(context, failures, error);
    }
  };

  /** What was appended last is still to be read; a failure here is for the next owner. */
  const finish = async (): Promise<void> => {
    try {
      while (clock() < drainUntilMs && (await look())) continue;
    } catch (error) {
      await backOff(context, 1, error);
    }
  };

  return {
    run: async () => {
      while (!draining) await follow();
      await finish();
      await releaseLeases(pool, owner).catch((error: unknown) => {
        log.warn({ error }, "leases were not released: they will expire");
      });
    },
    wake: rest.wake,
    drain: (catchUpMs = 0) => {
      draining = true;
      drainUntilMs = clock() + catchUpMs;
      rest.wake();
    },
    report: () => subscriptions.map((subscription) => subscription.report()),
  };
}
