import { afterEach, beforeEach } from "bun:test";

import { defineView, type View } from "#domain/decider.ts";
import type { Call, Reactor } from "#domain/subscription.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { type LoopUnderTest, startLoop } from "#test/support/loops.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";
import { until } from "#test/until.ts";

export type Happened = { readonly type: "Happened"; readonly payload: unknown };
export type Listed = { readonly positions: readonly number[] };

/** Lists the positions of each stream's events: what was left out, doubled or disordered is seen. */
export const listingView = (name: string, changed: Partial<View<Listed, Happened>> = {}): View =>
  defineView<Listed, Happened>({
    name,
    version: 1,
    events: ["Happened"],
    key: (event) => event.aggregateId,
    project: (document, { position }) => ({
      positions: [...(document?.positions ?? []), position],
    }),
    byKey: true,
    ...changed,
  });

export type Recorded = { readonly stream: string; readonly position: number } & Pick<
  Call,
  "id" | "attempt"
>;

/** A reactor that writes down every call; `handle` may do more, and fail. */
export function recordingReactor(name: string, changed: Partial<Reactor> = {}) {
  const calls: Recorded[] = [];
  const reactor: Reactor = {
    name,
    events: ["Happened"],
    ...changed,
    handle: (event, call) => {
      const { id, attempt } = call;
      calls.push({ stream: event.aggregateId, position: event.position, id, attempt });
      return changed.handle?.(event, call);
    },
  };
  return { reactor, calls, positions: () => calls.map(({ position }) => position) };
}

export const numbers = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);

export const names = (prefix: string, count: number): readonly string[] =>
  numbers(1, count).map((number) => `${prefix}${number}`);

/** One event for each stream, in their order, `rounds` times. */
export async function fill(
  { pool }: Pick<TestStore, "pool">,
  streams: readonly string[],
  rounds = 1,
): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    for (let from = 0; from < streams.length; from += 500) {
      const some = streams.slice(from, from + 500);
      await appendAll(pool, ...some.map((stream) => appendTo(stream, null)));
    }
  }
}

/** Where each partition of a subscription is. */
export async function checkpointsOf({ sql }: Pick<TestStore, "sql">, name: string) {
  const rows = await sql<{ position: number }[]>`
    select position::int from varve.checkpoints where subscription = ${name} order by partition`;
  return rows.map(({ position }) => position);
}

/** Waits until every partition of the subscriptions is at the position. */
export const reached = (
  store: Pick<TestStore, "sql">,
  subscriptions: readonly string[],
  position: number,
  deadlineMs?: number,
) =>
  until(
    `${subscriptions.join(", ")} at ${position}`,
    async () => {
      const all = await Promise.all(subscriptions.map((name) => checkpointsOf(store, name)));
      return all.flat().every((at) => at >= position);
    },
    deadlineMs,
  );

/** The positions in each document of a listing view. */
export async function listedIn({ sql }: Pick<TestStore, "sql">, view: string) {
  const rows = await sql<{ key: string; document: Listed }[]>`
    select key, document from varve_views.${sql(view)} order by key`;
  return Object.fromEntries(rows.map(({ key, document }) => [key, document.positions]));
}

/** The positions of each stream, as the log has them. */
export async function streamsOf({ sql }: Pick<TestStore, "sql">) {
  const rows = await sql<{ key: string; positions: number[] }[]>`
    select aggregate_id as key, array_agg(position::int order by position) as positions
      from varve.events group by 1 order by 1`;
  return Object.fromEntries(rows.map(({ key, positions }) => [key, [...positions]]));
}

/** The dead letters of a subscription in order of position. */
export async function lettersOf({ sql }: Pick<TestStore, "sql">, subscription: string) {
  const rows = await sql<
    { position: number; key: string; code: string; attempts: number; state: string }[]
  >`
    select position::int, key, error_code as code, attempts, state from varve.dead_letters
     where subscription = ${subscription} order by position`;
  return rows.map((row) => ({ ...row }));
}

/** A database of each test's own, and loops that end with it. */
export function useSubscriptions() {
  let store: TestStore;
  let stops: (() => Promise<void>)[] = [];
  beforeEach(async () => {
    store = await openStore();
  });
  afterEach(async () => {
    await Promise.all(stops.map((stop) => stop()));
    stops = [];
    await closeStore(store);
  });
  return {
    get pool() {
      return store.pool;
    },
    get sql() {
      return store.sql;
    },
    get database() {
      return store.database;
    },
    /** A loop with an owner of its own, on the test's pool unless it brings one. */
    start: (options: Omit<LoopUnderTest, "pool"> & Partial<Pick<LoopUnderTest, "pool">>) => {
      const loop = startLoop({ pool: store.pool, ...options });
      stops.push(loop.stop);
      return loop;
    },
    /** Something more to be ended before the database is dropped. */
    onEnd: (stop: () => Promise<void>): void => {
      stops.push(stop);
    },
  };
}
