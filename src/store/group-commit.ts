/**
 * Group commit: appends that arrive while a batch is in flight go to the database together.
 *
 * Dense positions need a lock that is held until the commit is on disk. One transaction an append
 * would pay for the disk once an append; a batch pays once for all of them, and a lone writer still
 * pays nothing for it, because an idle committer sends at once.
 *
 * What it promises: every append gets its own outcome. A fault in the data of one append is that
 * append's alone. A reply that was lost is resolved by asking again: the event ids and the expected
 * version make the second answer the first one's. Appends of one stream keep their order, each in a
 * batch of its own, so that none fails because of its neighbour.
 *
 * How it fails: `database-timeout` (nothing was stored: the queue is full or a lock was not free),
 * `database-unavailable` (nothing was stored), `clock-ahead` (nothing was stored, and nothing will be
 * until the database's clock is right), `outcome-unknown` (asked again for as long as the limit
 * allows; repeating the append with the same event ids is safe), `invalid-data`.
 *
 * What it does not do: decide again after a conflict. That is the command's matter.
 */
import { type Clock, monotonicMs, sleep } from "#kernel/clock.ts";
import { invariant, isCode, VarveError } from "#kernel/errors.ts";
import { streamName } from "#kernel/ids.ts";
import { limits } from "#kernel/limits.ts";

import { appendBatch, type Append, type AppendOutcome } from "./append.ts";
import type { Pool } from "./pool.ts";
import { replyWasLost } from "./sqlstate.ts";

export type GroupCommit = {
  /** Resolves once the append is committed or conflicts. Rejects with a VarveError. */
  readonly append: (append: Append) => Promise<AppendOutcome>;
  /** Refuses new appends and resolves when every accepted one has its outcome. */
  readonly drain: () => Promise<void>;
};

export type GroupCommitOptions = {
  /** What the database's clock is compared with. Default: the machine's. */
  readonly clock?: Clock;
  /** How long a lost reply is asked for. Default: the limit. */
  readonly lostReplyMs?: number;
};

type Entry = {
  readonly stream: string;
  readonly anyVersion: boolean;
  readonly json: string;
  readonly outcome: PromiseWithResolvers<AppendOutcome>;
};

/** Between two looks for a lost reply: the database is coming back, or is not. */
const ASK_AGAIN_MS = 200;

type Sender = { readonly pool: Pool } & Required<GroupCommitOptions>;

/** Answers a batch or throws; a lost reply is asked again until the limit. */
async function ask(sender: Sender, batch: readonly Entry[]): Promise<readonly AppendOutcome[]> {
  const text = `[${batch.map((entry) => entry.json).join(",")}]`;
  const until = monotonicMs() + sender.lostReplyMs;
  let unknown = false;
  for (;;) {
    try {
      // Whoever waits for a lost reply is told at the limit, also where the last question hangs.
      const leftMs = Math.max(ASK_AGAIN_MS, until - monotonicMs());
      const deadlineMs = Math.min(limits.appendMs, leftMs);
      return await appendBatch(sender.pool, text, sender.clock, deadlineMs);
    } catch (error) {
      unknown ||= replyWasLost(error);
      // Once a reply was lost, only an answer can tell that nothing was stored.
      const passing = isCode(error, "database-unavailable", "database-timeout", "clock-ahead");
      if (!unknown || !passing) throw error;
      if (monotonicMs() >= until) {
        throw new VarveError("outcome-unknown", "the reply to an append was lost", {}, error);
      }
      await sleep(ASK_AGAIN_MS);
    }
  }
}

/** Gives every entry its outcome. Never throws. */
async function settle(sender: Sender, batch: readonly Entry[]): Promise<void> {
  try {
    const outcomes = await ask(sender, batch);
    invariant(outcomes.length === batch.length, "a batch needs one outcome an append");
    for (const [index, entry] of batch.entries()) {
      const outcome = outcomes[index];
      invariant(outcome !== undefined, "a batch needs one outcome an append");
      // Somebody else made the stream at the same moment; any version still fits.
      if (entry.anyVersion && outcome.outcome === "conflict") await settle(sender, [entry]);
      else entry.outcome.resolve(outcome);
    }
  } catch (error) {
    const whole = batch.length === 1 || (error instanceof VarveError && error.retryable);
    if (whole) {
      for (const entry of batch) entry.outcome.reject(error);
      return;
    }
    // One of them is bad: halving finds it in log n calls, and the others succeed.
    const middle = Math.ceil(batch.length / 2);
    await settle(sender, batch.slice(0, middle));
    await settle(sender, batch.slice(middle));
  }
}

/** Appends that wait, at most one of a stream in each batch that is taken. */
function createQueue() {
  let waiting: Entry[] = [];
  let bytes = 0;
  const busyStreams = new Set<string>();

  /** The first entries that fit; the others stay, in order. Empty where none may go yet. */
  const take = (): readonly Entry[] => {
    const batch: Entry[] = [];
    const later: Entry[] = [];
    const passed = new Set<string>();
    let taken = 0;
    for (const entry of waiting) {
      const fits =
        batch.length < limits.batchAppends &&
        (batch.length === 0 || taken + entry.json.length <= limits.batchBytes) &&
        !busyStreams.has(entry.stream) &&
        !passed.has(entry.stream);
      passed.add(entry.stream);
      if (fits) taken += entry.json.length;
      (fits ? batch : later).push(entry);
    }
    for (const { stream } of batch) busyStreams.add(stream);
    waiting = later;
    bytes -= taken;
    return batch;
  };

  return {
    take,
    /** False where the queue is full. */
    add: (entry: Entry): boolean => {
      const full = waiting.length >= limits.queueAppends;
      if (full || bytes + entry.json.length > limits.queueBytes) return false;
      waiting.push(entry);
      bytes += entry.json.length;
      return true;
    },
    /** The streams of a batch may be in another one again. */
    done: (batch: readonly Entry[]): void => {
      for (const { stream } of batch) busyStreams.delete(stream);
    },
    isEmpty: () => waiting.length === 0,
  };
}

/** One for each process: two would only wait for each other. */
export function createGroupCommit(
  pool: Pool,
  { clock = Date.now, lostReplyMs = limits.lostReplyMs }: GroupCommitOptions = {},
): GroupCommit {
  const sender = { pool, clock, lostReplyMs };
  const queue = createQueue();
  let inFlight = 0;
  let draining = false;
  const idle = Promise.withResolvers<void>();

  const pump = (): void => {
    while (inFlight < limits.batchesInFlight) {
      const batch = queue.take();
      if (batch.length === 0) break;
      inFlight += 1;
      void settle(sender, batch).then(() => {
        inFlight -= 1;
        queue.done(batch);
        pump();
      });
    }
    if (draining && inFlight === 0 && queue.isEmpty()) idle.resolve();
  };

  return {
    append: (append) => {
      if (draining) return Promise.reject(new VarveError("shutting-down", "no more appends"));
      const entry: Entry = {
        stream: streamName(append.aggregateType, append.aggregateId),
        anyVersion: append.expectedVersion === null,
        json: JSON.stringify(append),
        outcome: Promise.withResolvers(),
      };
      if (!queue.add(entry)) {
        return Promise.reject(new VarveError("database-timeout", "too many appends are waiting"));
      }
      // Appends that were made in the same turn of the event loop belong together.
      queueMicrotask(pump);
      return entry.outcome.promise;
    },
    drain: () => {
      draining = true;
      pump();
      return idle.promise;
    },
  };
}
