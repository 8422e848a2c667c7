/**
 * The runner of one partition of a subscription: reads on, hands over, rests after a failure.
 *
 * It ends when its lease is lost, when it is told to stop, or by a defect. What it was doing is then
 * either in effect, with its checkpoint, or not at all (a view), or done and to be done again (a
 * reactor); where the lease was lost a statement may still be on its way, which the epoch refuses.
 */
import { sleep } from "#kernel/clock.ts";
import { Defect, isCode, VarveError } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";
import type { Lease } from "#store/leases.ts";

import type { Cursor } from "./cursor.ts";
import { classify } from "./failure.ts";
import type { SubscriptionReport } from "./messages.ts";
import { streamPartition } from "./partition.ts";
import type { Reader } from "./reader.ts";
import type { Filter, Page } from "./windows.ts";
import { Halt, type Work, type WorkContext } from "./work.ts";

export type Runner = {
  readonly cursor: Cursor;
  /** Resolves when it has ended; rejects with a Defect alone. */
  readonly ended: Promise<void>;
  readonly renew: (lease: Lease, validUntilMs: number) => void;
  /** Reads nothing more, brings what is in hand into effect, and ends. */
  readonly stop: () => void;
  readonly isStopping: () => boolean;
  /** Whether it is well and has not come to that position, or holds what is not in effect. */
  readonly mayCatchUp: (position: number) => boolean;
  readonly report: () => SubscriptionReport;
};

export type RunnerOptions = {
  readonly context: Omit<WorkContext, "nudge">;
  readonly filter: Filter;
  readonly reader: Reader;
  readonly makeWork: (context: WorkContext) => Work;
};

/** Only this partition's streams, and nothing past the barrier. */
function ownPart(page: Page, { partition, partitions, lease }: Cursor): Page {
  const { barrier } = lease();
  const isOwn = (stream: string): boolean =>
    partitions === 1 || streamPartition(stream, partitions) === partition;
  if (partitions === 1 && barrier === null) return page;
  const reached = Math.min(page.reached, barrier ?? page.reached);
  const events = page.events.filter(
    ({ stored, stream }) => stored.position <= reached && isOwn(stream),
  );
  return { events, reached };
}

/** A wait that a nudge ends. */
function createNudge() {
  let nudged = new AbortController();
  return {
    nudge: (): void => nudged.abort(),
    wait: async (wait: (signal: AbortSignal) => Promise<void>): Promise<void> => {
      await wait(nudged.signal);
      if (nudged.signal.aborted) nudged = new AbortController();
    },
  };
}

type Nudge = ReturnType<typeof createNudge>;

/** Where a runner is. */
type Place = {
  position: number;
  lettersDueAtMs: number;
  stopping: boolean;
  /** Where the checkpoint was at the last failure. */
  failedAt: number;
};

type Stepping = Pick<RunnerOptions, "context" | "filter" | "reader"> & {
  readonly work: Work;
  readonly place: Place;
  readonly wait: Nudge["wait"];
};

/** One page, or the wait for one. */
async function step({ context, filter, reader, work, place, wait }: Stepping): Promise<void> {
  const { cursor, settings, condition, clock } = context;
  await work.tick();
  if (clock() >= place.lettersDueAtMs) {
    // One batch, then a page: neither holds the other up.
    place.lettersDueAtMs = (await work.retry()) ? clock() : Number.POSITIVE_INFINITY;
  }
  const { barrier } = cursor.lease();
  if (barrier !== null && place.position >= barrier) {
    condition.become("catching_up");
    return wait((signal) => sleep(limits.leaseRenewMs, signal));
  }
  await work.room();
  const space = settings.maxInFlight - work.inFlight();
  const limit = Math.max(1, Math.min(settings.batchSize, space));
  const page = ownPart(await reader.take(place.position, limit, filter), cursor);
  if (page.reached > place.position) {
    condition.become(page.reached < reader.head() ? "catching_up" : "live");
    condition.pass(page.reached - place.position);
    place.position = page.reached;
    await work.feed(page);
  } else {
    condition.become("live");
    const lettersMs = place.lettersDueAtMs - clock();
    const waitMs = Math.max(0, Math.min(limits.leaseRenewMs, work.tickMs(), lettersMs));
    await wait((signal) => reader.growth(place.position, waitMs, signal));
  }
  // It goes on, and does not only read: nothing waits to be written, or something was.
  const isWritten = cursor.stored() > place.failedAt || cursor.stored() >= place.position;
  if (work.inFlight() === 0 && isWritten) condition.succeed();
}

async function goOn(stepping: Stepping): Promise<void> {
  const { context, work, wait } = stepping;
  const { cursor, condition } = context;
  const rest = (waitMs: number): Promise<void> => wait((signal) => sleep(waitMs, signal));
  if (!cursor.isValid()) return rest(limits.leaseRenewMs);
  if (condition.restMs() > 0) {
    await rest(condition.restMs());
    return work.save();
  }
  if (!cursor.lease().paused) return step(stepping);
  await work.tick();
  return rest(limits.leaseRenewMs);
}

/** Until it is told to stop or its lease is lost; then what is in hand takes effect. */
async function run(stepping: Stepping): Promise<void> {
  const { context, work, place } = stepping;
  const { cursor } = context;
  while (!place.stopping && !cursor.signal.aborted) {
    try {
      await goOn(stepping);
    } catch (error) {
      place.failedAt = cursor.stored();
      failed(error, context);
    }
  }
  if (cursor.signal.aborted) return;
  for (const finish of [work.finish, () => context.passing.finish(cursor)]) {
    try {
      await finish();
    } catch (error) {
      failed(error, context);
    }
  }
}

/** Starts it. */
export function startRunner({ context, filter, reader, makeWork }: RunnerOptions): Runner {
  const { cursor, condition, clock } = context;
  const { nudge, wait } = createNudge();
  const work = makeWork({ ...context, nudge });
  const never = Number.POSITIVE_INFINITY;
  const place: Place = {
    position: cursor.stored(),
    lettersDueAtMs: never,
    stopping: false,
    failedAt: -1,
  };
  const unregister = reader.register({ filter, position: () => place.position });
  cursor.signal.addEventListener("abort", nudge);

  const noteLetters = ({ dueInMs }: Lease): void => {
    place.lettersDueAtMs = dueInMs === null ? never : clock() + dueInMs;
  };
  noteLetters(cursor.lease());

  const ended = run({ context, filter, reader, work, place, wait }).finally(() => {
    unregister();
    cursor.lose();
  });
  ended.catch(() => undefined);

  return {
    cursor,
    ended,
    renew: (lease, validUntilMs) => {
      const wasPaused = cursor.lease().paused;
      cursor.renew(lease, validUntilMs);
      noteLetters(lease);
      if (wasPaused !== lease.paused || (lease.dueInMs ?? 1) <= 0) nudge();
    },
    stop: () => {
      place.stopping = true;
      work.giveUp();
      nudge();
    },
    isStopping: () => place.stopping,
    mayCatchUp: (position) =>
      !cursor.lease().paused &&
      condition.failures() === 0 &&
      (place.position < position || work.inFlight() > 0),
    report: () => {
      const { subscription: name, partition, epoch } = cursor;
      const report = condition.report();
      const state = cursor.lease().paused ? "paused" : report.state;
      return { name, partition, epoch, ...report, state, inFlight: work.inFlight() };
    },
  };
}

const where = ({ subscription, partition }: Cursor) => ({ subscription, partition });

/** What failed is no event's fault, or an event that must not be passed: it rests and tries again. */
function failed(error: unknown, { cursor, condition, tell }: RunnerOptions["context"]): void {
  if (error instanceof Defect) throw error;
  if (isCode(error, "lease-lost")) return cursor.lose();
  if (error instanceof Halt) {
    return condition.fail(error.classified.code, { mostMs: limits.backoffMsMax, halted: true });
  }
  if (!(error instanceof VarveError)) throw error;
  const classified = classify(error);
  const mostMs =
    error.code === "partition-archived" ? limits.backoffMsMax : limits.outageBackoffMsMax;
  condition.fail(classified.code, { mostMs, halted: false });
  const attempt = condition.failures();
  // Whatever it was, no event is to blame: what is refused here is the runtime's own writing.
  const category = classified.category === "permanent" ? "infrastructure" : classified.category;
  tell({ ...classified, category, ...where(cursor), attempt, outcome: "paused" }, error);
}
