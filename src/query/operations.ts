/**
 * Operating of subscriptions: what may be done to views and reactors while the service runs, and
 * what is told of them.
 *
 * What it promises: every step is one statement of the database, in force for all instances; a
 * holder hears of it at the next renewal of its lease, or is fenced. A step that cannot be taken
 * says why and has changed nothing. Repeating a step is safe.
 *
 * What it relies on: the functions of the store. Nothing of it needs a running worker; what a worker
 * has to do for it, it does when there is one.
 *
 * How it fails: VarveError of the store.
 *
 * What it does not do: ask whether the caller may, or whether it is sure.
 */
import {
  discardDeadLetter,
  listDeadLetters,
  retryDeadLetters,
  type LetterEntry,
  type LetterMatch,
  type LetterState,
} from "#store/dead-letters.ts";
import type { Pool } from "#store/pool.ts";
import {
  listSubscriptions,
  type PartitionEntry,
  type SubscriptionEntry,
  type SubscriptionList,
} from "#store/subscription-list.ts";
import {
  dropViewVersion,
  pauseSubscription,
  rebuildView,
  resetSubscription,
  resumeSubscription,
  rollbackView,
  swapView,
  type ResetOutcome,
  type RollbackOutcome,
  type SwapOutcome,
} from "#store/subscriptions.ts";

/** How far a version that is being built has come. */
export type BuildProgress = {
  /** Events that take effect, in all partitions, by their holders' word; 0 where there is none. */
  readonly eventsPerSecond: number;
  /** Null where nobody can say. */
  readonly secondsLeft: number | null;
  /** Of the log, from 0 to 1. */
  readonly share: number;
};

export type SubscriptionItem = SubscriptionEntry & { readonly progress?: BuildProgress };

export type LetterFilter = LetterMatch;

export type LetterRequest = LetterFilter & {
  readonly state: LetterState;
  readonly limit: number;
  /** The `nextCursor` of the page before. */
  readonly cursor?: number;
};

export type LetterAnswer = {
  readonly items: readonly LetterEntry[];
  readonly nextCursor: string | null;
};

/** What became of one letter; `behind` where the letter `headId` has to be settled first. */
export type LetterOutcome =
  | { readonly kind: "done" | "unknown" | "settled" }
  | { readonly kind: "behind"; readonly headId: number | null };

export type Operations = {
  readonly subscriptions: (name?: string) => Promise<{
    readonly head: number;
    readonly items: readonly SubscriptionItem[];
  }>;
  /** False where there is no such subscription. */
  readonly pause: (name: string, reason: string | null) => Promise<boolean>;
  readonly resume: (name: string) => Promise<boolean>;
  readonly reset: (name: string, position: number) => Promise<ResetOutcome>;
  /** The subscription that builds; undefined where there is no such view. */
  readonly rebuild: (view: string, partitions: number | null) => Promise<string | undefined>;
  /** May take two seconds. */
  readonly swap: (view: string) => Promise<SwapOutcome | "unknown">;
  readonly rollback: (view: string) => Promise<RollbackOutcome | "unknown">;
  /** False where there is no such version. */
  readonly drop: (view: string, role: "previous" | "building") => Promise<boolean>;
  readonly deadLetters: (request: LetterRequest) => Promise<LetterAnswer>;
  readonly retryLetter: (id: number) => Promise<LetterOutcome>;
  readonly discardLetter: (id: number, reason: string) => Promise<LetterOutcome>;
  /** How many will be tried again; those behind them follow by themselves. */
  readonly retryLetters: (match: LetterFilter) => Promise<number>;
};

/** A swap makes what serves wait for what was built: not for more events than these. */
const SWAP_LAG_MAX = 1_000;

const sum = (values: readonly number[]): number => values.reduce((left, right) => left + right, 0);

/** Infinite or no number where it does not move. */
function secondsLeft({ lagEvents, report }: PartitionEntry): number {
  return lagEvents === 0 ? 0 : lagEvents / (report?.eventsPerSecond ?? 0);
}

/** How far the partitions have come; the slowest decides. */
export function progressOf({ partitions }: SubscriptionEntry): BuildProgress {
  const left = Math.max(0, ...partitions.map(secondsLeft));
  const shares = partitions.map(({ position, head }) => (head === 0 ? 1 : position / head));
  return {
    eventsPerSecond: sum(partitions.map(({ report }) => report?.eventsPerSecond ?? 0)),
    secondsLeft: Number.isFinite(left) ? Math.ceil(left) : null,
    share: Math.min(1, ...shares),
  };
}

/** How far it is: as far as its last partition. */
export const positionOf = ({ partitions }: SubscriptionEntry): number =>
  partitions.length === 0 ? 0 : Math.min(...partitions.map(({ position }) => position));

/** The view's version of that role. */
export const versionOf = (
  { items }: SubscriptionList,
  view: string,
  role: SubscriptionEntry["role"],
): SubscriptionEntry | undefined => items.find((one) => one.view === view && one.role === role);

async function swap(pool: Pool, view: string): Promise<SwapOutcome | "unknown"> {
  const list = await listSubscriptions(pool, view);
  const serving = versionOf(list, view, "serving");
  const building = versionOf(list, view, "building");
  if (serving === undefined) return "unknown";
  if (building === undefined) return "no-building";
  if (positionOf(serving) - positionOf(building) > SWAP_LAG_MAX) return "behind";
  return swapView(pool, view);
}

async function rollback(pool: Pool, view: string): Promise<RollbackOutcome | "unknown"> {
  const outcome = await rollbackView(pool, view);
  if (outcome !== "no-previous") return outcome;
  const known = versionOf(await listSubscriptions(pool, view), view, "serving") !== undefined;
  return known ? outcome : "unknown";
}

const letterOf = async (pool: Pool, id: number): Promise<LetterEntry | undefined> =>
  (await listDeadLetters(pool, { id, afterId: 0, limit: 1 }))[0];

async function retryLetter(pool: Pool, id: number): Promise<LetterOutcome> {
  if ((await retryDeadLetters(pool, { id })) > 0) return { kind: "done" };
  const letter = await letterOf(pool, id);
  if (letter === undefined) return { kind: "unknown" };
  if (letter.state !== "waiting") return { kind: "settled" };
  // The one in front was settled a moment ago, and this one is on its way.
  if (letter.waitsFor === "time") return { kind: "done" };
  return { kind: "behind", headId: letter.behindId };
}

async function discardLetter(pool: Pool, id: number, reason: string): Promise<LetterOutcome> {
  if (await discardDeadLetter(pool, id, reason)) return { kind: "done" };
  return { kind: (await letterOf(pool, id)) === undefined ? "unknown" : "settled" };
}

async function deadLetters(pool: Pool, request: LetterRequest): Promise<LetterAnswer> {
  const { cursor = 0, limit, ...match } = request;
  const items = await listDeadLetters(pool, { ...match, afterId: cursor, limit: limit + 1 });
  const page = items.slice(0, limit);
  const last = items.length > limit ? page.at(-1) : undefined;
  return { items: page, nextCursor: last === undefined ? null : String(last.id) };
}

/** Makes the operations on the pool's database. */
export const createOperations = (pool: Pool): Operations => ({
  subscriptions: async (name) => {
    const { head, items } = await listSubscriptions(pool, name);
    const told = items.map((item) =>
      item.role === "building" ? { ...item, progress: progressOf(item) } : item,
    );
    return { head, items: told };
  },
  pause: (name, reason) => pauseSubscription(pool, name, reason),
  resume: (name) => resumeSubscription(pool, name),
  reset: (name, position) => resetSubscription(pool, name, position),
  rebuild: (view, partitions) => rebuildView(pool, view, partitions),
  swap: (view) => swap(pool, view),
  rollback: (view) => rollback(pool, view),
  drop: (view, role) => dropViewVersion(pool, view, role),
  deadLetters: (request) => deadLetters(pool, request),
  retryLetter: (id) => retryLetter(pool, id),
  discardLetter: (id, reason) => discardLetter(pool, id, reason),
  retryLetters: (match) => retryDeadLetters(pool, match),
});
