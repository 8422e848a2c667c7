/**
 * The loop: one reader in each process that feeds every view.
 *
 * What it promises: a view sees every event once in effect and in order. A page of the log is read
 * after the slowest checkpoint, folded for each view, and written with the checkpoint in one
 * statement that the epoch of the lease guards. Nothing is skipped: a view whose own code fails stays
 * where it is, says so, and is tried again, while the others go on.
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
import { sleep, type Clock } from "#kernel/clock.ts";
import { Defect, invariant, isCode, VarveError } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";
import type { Logger } from "#kernel/log.ts";
import { readAfter, type StoredEvent } from "#store/events.ts";
import { acquireLeases, releaseLeases } from "#store/leases.ts";
import type { Pool } from "#store/pool.ts";

import type { SubscriptionReport } from "./messages.ts";
import { projectPage } from "./project.ts";
import { createSubscription, type Subscription } from "./subscription.ts";

export type LoopOptions = {
  readonly pool: Pool;
  /** Random for each start of the process: a restarted process is another owner. */
  readonly owner: string;
  readonly views: readonly View[];
  readonly batchSize: number;
  readonly clock: Clock;
  readonly log: Logger;
};

export type Loop = {
  /** Runs until drained. Rejects only with a Defect. */
  readonly run: () => Promise<void>;
  /** There is news: look now. */
  readonly wake: () => void;
  /** Finishes the page in hand, gives the leases back, and lets `run` end. */
  readonly drain: () => void;
  readonly report: () => readonly SubscriptionReport[];
};

/** Makes the loop; nothing runs yet. */
export function createLoop(options: LoopOptions): Loop {
  const { pool, owner, clock, log } = options;
  const subscriptions = options.views.map((view) => createSubscription(view, clock));
  let draining = false;
  let news = new AbortController();
  let renewAtMs = 0;
  let pauseMs: number = limits.pollMsMin;

  const renewLeases = async (): Promise<void> => {
    // Measured from before the sending: the lease cannot end earlier than we think.
    const sentAtMs = clock();
    const names = subscriptions.map(({ view }) => view.name);
    const leases = await acquireLeases(pool, owner, names, limits.leaseMs);
    renewAtMs = sentAtMs + limits.leaseRenewMs;
    for (const subscription of subscriptions) {
      subscription.hold(leases.find((lease) => lease.subscription === subscription.view.name));
    }
  };

  /** Brings one subscription to the end of the page. Its failure is its own. */
  const feed = async (subscription: Subscription, page: readonly StoredEvent[]): Promise<void> => {
    const { lease, view } = subscription;
    const toPosition = page.at(-1)?.position ?? 0;
    if (lease === undefined || lease.position >= toPosition) return;
    try {
      const { epoch, position } = lease;
      const whole = { view, epoch, fromPosition: position, toPosition, events: page };
      if (await projectPage(pool, whole)) subscription.advance(toPosition);
      else {
        subscription.hold(undefined);
        renewAtMs = 0;
      }
    } catch (error) {
      if (error instanceof Defect) throw error;
      const code = error instanceof VarveError ? error.code : "view-failed";
      subscription.fail(code);
      log.error({ subscription: view.name, code, error }, "a subscription cannot go on");
    }
  };

  /** One look at the log. True if there may be more at once. */
  const step = async (): Promise<boolean> => {
    // 1. Keep the leases.
    if (clock() >= renewAtMs) await renewLeases();
    // 2. Read after the slowest checkpoint.
    const active = subscriptions.filter((subscription) => subscription.isDue());
    const positions = active.map(({ lease }) => lease?.position ?? 0);
    if (active.length === 0) return false;
    const from = Math.min(...positions);
    const page = await readAfter(pool, from, options.batchSize);
    for (const [index, event] of page.entries()) {
      invariant(event.position === from + 1 + index, "the log has a gap");
    }
    // 3. Fold and write, for each view on its own.
    await Promise.all(active.map((subscription) => feed(subscription, page)));
    // 4. Say how close we are.
    const full = page.length === options.batchSize;
    for (const subscription of active) subscription.seen(full);
    return page.length > 0;
  };

  /** Waits for a hint or for the poll interval, which doubles while nothing happens. */
  const rest = async (): Promise<void> => {
    await sleep(pauseMs, news.signal);
    pauseMs = news.signal.aborted ? limits.pollMsMin : Math.min(pauseMs * 2, limits.pollMsMax);
    if (news.signal.aborted && !draining) news = new AbortController();
  };

  const backOff = async (error: unknown): Promise<void> => {
    if (!(error instanceof VarveError)) throw error;
    for (const subscription of subscriptions) subscription.fail(error.code);
    const level = isCode(error, "database-unavailable", "database-timeout") ? "warn" : "error";
    log[level]({ code: error.code, error }, "the log cannot be read");
    renewAtMs = 0;
    await sleep(limits.backoffMsMin * (1 + Math.random()));
  };

  return {
    run: async () => {
      while (!draining) {
        try {
          if (await step()) pauseMs = limits.pollMsMin;
          else await rest();
        } catch (error) {
          await backOff(error);
        }
      }
      await releaseLeases(pool, owner).catch((error: unknown) => {
        log.warn({ error }, "leases were not released: they will expire");
      });
    },
    wake: () => news.abort(),
    drain: () => {
      draining = true;
      news.abort();
    },
    report: () => subscriptions.map((subscription) => subscription.report()),
  };
}
