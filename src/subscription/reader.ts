/**
 * The reader: one pass over the log for all subscriptions of a process that are at the same place.
 *
 * What it is: windows, each a stretch of the log without a gap, read once and held for a while.
 * Whoever asks for what follows its position gets it from the window that covers it; the first to
 * come to a window's end makes it longer. Who is far behind reads in a window of its own, with its
 * filter in the statement, until its position lies in a window further on: there is no hand-over,
 * only a position.
 *
 * What it promises: a page holds every event that the filter wants after the position and up to
 * `reached`, in order, and none twice. What is held is bounded.
 *
 * What it relies on: dense positions, and head and events of one statement being of one moment. A gap
 * in a window that is not filtered is a defect, never waited out.
 *
 * How it fails: as `readSubscriptionPage` does, for everybody who waits for that page.
 */
import type { EventTypes } from "#domain/upcast.ts";
import { VarveError } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";
import { readHead, readSubscriptionPage } from "#store/events.ts";
import type { Pool } from "#store/pool.ts";
import { createWatch } from "#store/watch.ts";

import {
  covers,
  emptyWindow,
  everything,
  extend,
  type Filter,
  joined,
  type Page,
  pageOf,
  type Window,
} from "./windows.ts";

/** What is watched. */
const LOG = "log";
/** Windows that are held at once: few are far apart. */
const WINDOWS = 8;

/** Who reads, for as long as it is registered. */
export type Subscriber = { readonly filter: Filter; readonly position: () => number };

export type Reader = {
  /** Returns the way to end it. */
  readonly register: (subscriber: Subscriber) => () => void;
  /** What follows the position, at most `limit` events, without waiting for more to be appended. */
  readonly take: (after: number, limit: number, filter: Filter) => Promise<Page>;
  /** Waits until the log has grown past the position, the time is over or the signal fires. */
  readonly growth: (past: number, waitMs: number, signal: AbortSignal) => Promise<void>;
  /** There is news: look now. */
  readonly wake: () => void;
  /** The head of the log as this process knows it. */
  readonly head: () => number;
};

/** What all want who are about to come by. */
function filterNear(subscribers: Iterable<Subscriber>, after: number, own: Filter): Filter {
  const near = [...subscribers].filter(
    ({ position }) => position() >= after && position() <= after + limits.pagePositions,
  );
  const types = joined([own.types, ...near.map(({ filter }) => filter.types)]);
  const aggregateTypes = joined([
    own.aggregateTypes,
    ...near.map(({ filter }) => filter.aggregateTypes),
  ]);
  const isAll = types === undefined && aggregateTypes === undefined;
  return isAll ? everything : { types, aggregateTypes };
}

const latest = (windows: readonly Window[]): Window | undefined =>
  windows.toSorted((left, right) => right.to - left.to)[0];

/** The windows that are held: those that were used last. */
function createWindows(subscribers: Iterable<Subscriber>) {
  let windows: Window[] = [];
  let uses = 0;
  return {
    /** One that whoever is at the head reads from. */
    atHead: (head: number): Window | undefined =>
      windows.find(({ to, filter }) => to >= head && filter === everything),
    /** The furthest that covers the position, else a new one. Near the head nobody pays for a filter. */
    at: (after: number, filter: Filter, head: number): Window => {
      const isNear = head - after < 2 * limits.readEvents;
      const wanted = isNear ? everything : filterNear(subscribers, after, filter);
      // What is held already serves anybody; who is far behind reads on with its filter.
      const fits = (one: Window): boolean =>
        one.filter === everything
          ? wanted === everything || one.to > after
          : !isNear && covers(one.filter, filter);
      const found = latest(
        windows.filter((one) => one.from <= after && after <= one.to && fits(one)),
      );
      const window = found ?? emptyWindow(after, wanted);
      uses += 1;
      window.usedAt = uses;
      if (found !== undefined) return window;
      windows = [...windows, window]
        .toSorted((left, right) => right.usedAt - left.usedAt)
        .slice(0, WINDOWS);
      return window;
    },
  };
}

/** Makes windows longer: one statement for all who want the same. `onHead` hears of the log's head. */
function createGrowing(
  pool: Pool,
  eventTypes: EventTypes,
  onHead: (head: number, isLower: boolean) => void,
): (window: Window) => Promise<void> {
  const grow = async (window: Window): Promise<void> => {
    const page = await readSubscriptionPage(pool, {
      after: window.to,
      limit: limits.readEvents,
      types: window.filter.types && [...window.filter.types],
      aggregateTypes: window.filter.aggregateTypes && [...window.filter.aggregateTypes],
    });
    extend(window, page, eventTypes);
    onHead(page.head, page.head < window.to);
  };
  return async (window) => {
    window.growing ??= grow(window).finally(() => {
      window.growing = undefined;
    });
    await window.growing;
  };
}

/** Nothing is read before somebody asks. */
export function createReader(pool: Pool, eventTypes: EventTypes): Reader {
  const subscribers = new Set<Subscriber>();
  const windows = createWindows(subscribers);
  let head = 0;
  let knowing: Promise<void> | undefined;
  /** The last look has failed: whoever reads next meets what it met. */
  let hasFailed = false;

  const longer = createGrowing(pool, eventTypes, (found, isLower) => {
    // What was read before was lost with a primary: nobody may be told of it again and again.
    if (isLower) watch.correct(LOG, found);
    head = isLower ? found : Math.max(head, found);
  });
  const lookAtHead = async (): Promise<void> => {
    head = Math.max(head, await readHead(pool));
  };

  /** Before the head is known nobody knows whether it is far behind. */
  const knowHead = async (): Promise<void> => {
    knowing ??= lookAtHead();
    try {
      await knowing;
    } catch (error) {
      knowing = undefined;
      throw error;
    }
  };

  const take: Reader["take"] = async (after, limit, filter) => {
    await knowHead();
    const window = windows.at(after, filter, head);
    // Whoever is at the head waits for its growth: one look for all.
    if (window.to === after && (after < head || hasFailed)) await longer(window);
    // It may have been cut at its front meanwhile, by somebody who is further.
    if (window.from > after) return take(after, limit, filter);
    const page = pageOf(window, after, limit, filter);
    // The next page is read while this one is worked on.
    const isLow = window.to - page.reached < limits.readEvents / 2;
    if (isLow && window.to < head && window.growing === undefined) {
      longer(window).catch(() => undefined);
    }
    return page;
  };

  const look = async (): Promise<ReadonlyMap<string, number>> => {
    const atHead = windows.atHead(head);
    try {
      await (atHead === undefined ? lookAtHead() : longer(atHead));
      hasFailed = false;
    } catch (error) {
      hasFailed = true;
      if (error instanceof VarveError) throw error;
    }
    return new Map([[LOG, head]]);
  };
  const watch = createWatch({ look, isPatient: true });

  return {
    register: (subscriber) => {
      subscribers.add(subscriber);
      return () => void subscribers.delete(subscriber);
    },
    take,
    growth: (past, waitMs, signal) =>
      watch.reach({ name: LOG, position: past + 1 }, waitMs, signal),
    wake: watch.hint,
    head: () => head,
  };
}
