import type { Pool } from "./pool.ts";
import { queries } from "./statements.ts";

/** What a reactor is to the store. */
export type DeclaredReactor = {
  readonly name: string;
  readonly partitions: number;
  /** Undefined: every type. */
  readonly eventTypes: readonly string[] | undefined;
  readonly aggregateTypes: readonly string[] | undefined;
  /** Where a new one begins, exclusive; null for the end of the log. */
  readonly startPosition: number | null;
};

const textOf = (names: readonly string[] | undefined): string | null =>
  names === undefined ? null : JSON.stringify(names);

/** Makes its rows, or brings them up to date. True if it is new. */
export async function declareReactor(pool: Pool, reactor: DeclaredReactor): Promise<boolean> {
  const [row] = await pool.query<{ made: boolean }>(queries.declareSubscription, [
    reactor.name,
    "reactor",
    reactor.partitions,
    textOf(reactor.eventTypes),
    textOf(reactor.aggregateTypes),
    reactor.startPosition,
  ]);
  return row?.made === true;
}

/** The last position that was stored before an ISO 8601 time; 0 where there is none. */
export async function positionAt(pool: Pool, time: string): Promise<number> {
  const [row] = await pool.query<{ position: number }>(queries.positionAt, [time]);
  return row?.position ?? 0;
}

/** Pauses it on every instance. False where there is no such subscription. */
export async function pauseSubscription(
  pool: Pool,
  name: string,
  reason: string | null,
): Promise<boolean> {
  const [row] = await pool.query<{ known: boolean }>(queries.pauseSubscription, [
    name,
    true,
    reason,
  ]);
  return row?.known === true;
}

/** Lets it go on. False where there is no such subscription. */
export async function resumeSubscription(pool: Pool, name: string): Promise<boolean> {
  const [row] = await pool.query<{ known: boolean }>(queries.pauseSubscription, [
    name,
    false,
    null,
  ]);
  return row?.known === true;
}

export type ResetOutcome = "done" | "unknown" | "not-zero" | "past-head";

/** Lets it begin again after the position (exclusive); a view only at 0. */
export async function resetSubscription(
  pool: Pool,
  name: string,
  position: number,
): Promise<ResetOutcome> {
  const [row] = await pool.query<{ outcome: ResetOutcome }>(queries.resetSubscription, [
    name,
    position,
  ]);
  return row?.outcome ?? "unknown";
}

/**
 * Begins to build the view's documents beside those that serve; what is being built goes on, or begins
 * again where another number of partitions is asked for. Undefined where there is no view.
 */
export async function rebuildView(
  pool: Pool,
  view: string,
  partitions: number | null,
): Promise<string | undefined> {
  const [row] = await pool.query<{ building: string | null }>(queries.rebuildView, [
    view,
    partitions,
  ]);
  return row?.building ?? undefined;
}

export type SwapOutcome = "done" | "no-building" | "behind";

/** Lets what was built serve. It may wait two seconds for it to catch up. */
export async function swapView(pool: Pool, view: string): Promise<SwapOutcome> {
  const [row] = await pool.query<{ outcome: SwapOutcome }>(queries.swapView, [view]);
  return row?.outcome ?? "no-building";
}

export type RollbackOutcome = "done" | "no-previous" | "building";

/** Lets the version before serve again. */
export async function rollbackView(pool: Pool, view: string): Promise<RollbackOutcome> {
  const [row] = await pool.query<{ outcome: RollbackOutcome }>(queries.rollbackView, [view]);
  return row?.outcome ?? "no-previous";
}

/** Drops a version that does not serve. False where there is none. */
export async function dropViewVersion(
  pool: Pool,
  view: string,
  role: "previous" | "building",
): Promise<boolean> {
  const [row] = await pool.query<{ dropped: boolean }>(queries.dropViewVersion, [view, role]);
  return row?.dropped === true;
}
