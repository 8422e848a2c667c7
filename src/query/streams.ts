/**
 * Streams out: the events of one aggregate as they are stored, and the state that they make.
 *
 * What it promises: an answer is of one moment. Everything personal stays sealed, whoever asks: what
 * is read here is what the log holds. A page ends early where its payloads are large, and a state is
 * folded page by page, so that a stream of any length costs no more memory than a short one.
 *
 * What it relies on: versions without a gap, and that events do not change. A state is replayed from
 * the first event and not from a snapshot: nobody waits for the past, and a replay needs nothing
 * to be right but the events.
 *
 * How it fails: VarveError of the store; `partition-archived` names the months that must come back;
 * `schema-behind` where the state needs an event that this program does not know.
 *
 * What it does not do: authorise, open sealed values, or keep a state for the next caller.
 */
import type { AnyAggregate } from "#domain/decider.ts";
import { fold, nothingFolded, type Folded } from "#domain/fold.ts";
import { limits } from "#kernel/limits.ts";
import { readStreamPage } from "#store/events.ts";
import type { Pool } from "#store/pool.ts";

import { eventItem, type EventItem } from "./event-item.ts";

/** One end of the range is the first version, the other the last, unless they are given. */
export type EventsRequest = {
  /** Inclusive. */
  readonly fromVersion?: number;
  /** Inclusive. */
  readonly toVersion?: number;
  readonly limit: number;
  /** The last events of the range first. */
  readonly newestFirst: boolean;
  /** ISO 8601, inclusive: only what was stored by then. */
  readonly at?: string;
};

export type EventsAnswer = {
  readonly items: readonly EventItem[];
  /** Where the next page begins; null where there is none. As of a time, it may be an empty one. */
  readonly nextVersion: number | null;
  /** Of the whole stream. */
  readonly streamVersion: number;
  /** How far the log was. */
  readonly head: number;
};

/** A past moment, by version (inclusive) or by time; now where neither is given. */
export type Moment = { readonly version?: number; readonly at?: string };

export type StateAnswer = Folded & { readonly streamVersion: number; readonly head: number };

export type StreamReader = {
  /** Undefined where there is no such stream. */
  readonly events: (
    aggregate: AnyAggregate,
    id: string,
    request: EventsRequest,
  ) => Promise<EventsAnswer | undefined>;
  /** The state after the last event by then; version 0 where there was none yet. */
  readonly state: (
    aggregate: AnyAggregate,
    id: string,
    moment: Moment,
  ) => Promise<StateAnswer | undefined>;
};

const LAST = Number.MAX_SAFE_INTEGER;

/** Makes the reader. */
export function createStreamReader(pool: Pool): StreamReader {
  return {
    events: async ({ type }, id, { fromVersion = 1, toVersion = LAST, at, ...request }) => {
      const page = await readStreamPage(pool, {
        ...request,
        aggregateType: type,
        aggregateId: id,
        fromVersion,
        toVersion,
        ...(at === undefined ? {} : { until: at }),
      });
      if (page === undefined) return undefined;
      const { events, isCut, streamVersion, head } = page;
      const last = events.at(-1)?.version;
      const next = last === undefined ? 0 : last + (request.newestFirst ? -1 : 1);
      const isInside = next >= fromVersion && next <= Math.min(toVersion, streamVersion);
      const nextVersion = isCut && isInside ? next : null;
      return { items: events.map(eventItem), nextVersion, streamVersion, head };
    },

    state: async (aggregate, id, { version = LAST, at }) => {
      let folded: Folded = nothingFolded(aggregate);
      let since: string | undefined;
      let known: { readonly streamVersion: number; readonly head: number } | undefined;
      for (;;) {
        const page = await readStreamPage(pool, {
          aggregateType: aggregate.type,
          aggregateId: id,
          fromVersion: folded.version + 1,
          toVersion: Math.min(version, known?.streamVersion ?? LAST),
          limit: limits.readEvents,
          ...(since === undefined ? {} : { since }),
          ...(at === undefined ? {} : { until: at }),
        });
        if (page === undefined) return undefined;
        // The first page decides what "now" is: whoever appends meanwhile is not chased.
        known ??= page;
        folded = fold(aggregate, folded, page.events);
        since = page.events.at(-1)?.createdAt;
        const isWhole = folded.version >= Math.min(version, known.streamVersion);
        if (since === undefined || isWhole) {
          return { ...folded, streamVersion: known.streamVersion, head: known.head };
        }
      }
    },
  };
}
