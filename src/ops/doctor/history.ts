/**
 * Whether this program can read everything that was ever stored.
 *
 * What it is. Each event of the log goes through today's upcasters and then through today's schema, and
 * is counted by type and version.
 *
 * What it promises. It only reads, a page at a time, in memory that depends on the number of types
 * alone. Each fault names type, version, the count and the first positions. It looks at the log as
 * far as it went when it began.
 *
 * What it relies on. Readers trust upcasters, because checking each payload at each read costs more
 * than folding it; this is where that trust is checked, before a release and after it. A payload is
 * frozen before it is upcast: a step that changes its argument would change what the next reader of the
 * same event sees.
 *
 * How it fails. VarveError of the store. Partitions that are not attached are named, not looked at.
 *
 * What it does not do. It opens no sealed value and shows no payload.
 */
import type { AnyAggregate } from "#domain/decider.ts";
import { type DeclaredEvent, eventTypesOf, upcast } from "#domain/upcast.ts";
import type { StoredEvent } from "#store/events.ts";
import { type HistoryPart, historyParts, readPart } from "#store/history.ts";
import type { Pool } from "#store/pool.ts";

export type HistoryFault = "unknown-type" | "newer-version" | "upcaster-throws" | "does-not-fit";

/** One version of one event type as it stands in the log. */
export type StoredVersion = {
  readonly aggregateType: string;
  readonly type: string;
  readonly schemaVersion: number;
  readonly count: number;
  /** `today` where nothing had to be upcast; `fault` where at least one event cannot be read. */
  readonly status: "today" | "upcast" | "fault";
  readonly faults: readonly {
    readonly fault: HistoryFault;
    readonly count: number;
    /** The first ones, ascending. */
    readonly positions: readonly number[];
  }[];
};

export type History = {
  /** Events that were looked at. */
  readonly events: number;
  readonly versions: readonly StoredVersion[];
  /** Events that the register of partitions promises and that are not there. */
  readonly missing: number;
  /** Parts of the log that are archived, or on their way. */
  readonly notLookedAt: readonly HistoryPart[];
  /** Whether it was ended before the last event. */
  readonly interrupted: boolean;
};

/** As many positions of a fault as a person looks up. */
const positionsShown = 5;

type Count = Pick<StoredVersion, "aggregateType" | "type" | "schemaVersion"> & {
  events: number;
  readonly faults: Map<HistoryFault, { count: number; positions: number[] }>;
};

/** Freezes as deep as JSON goes. */
function frozen(value: unknown): unknown {
  if (typeof value === "object" && value !== null) {
    Object.freeze(value);
    Object.values(value).forEach(frozen);
  }
  return value;
}

function fits({ definition }: DeclaredEvent, payload: unknown): boolean {
  try {
    return definition.payload.safeParse(payload).success;
  } catch {
    // A refinement that throws on what it was not written for has not taken it.
    return false;
  }
}

/** What is wrong with the event, undefined for nothing. */
function faultOf(
  declared: DeclaredEvent | undefined,
  stored: StoredEvent,
): HistoryFault | undefined {
  if (declared?.aggregateType !== stored.aggregateType) return "unknown-type";
  if (stored.schemaVersion !== declared.definition.version) frozen(stored.payload);
  const read = upcast(declared, stored);
  if (read.ok) return fits(declared, read.value.payload) ? undefined : "does-not-fit";
  return read.error.code === "upcast-failed" ? "upcaster-throws" : "newer-version";
}

/** Counts what it is given, by aggregate type, event type and version. */
function createCounts(aggregates: readonly AnyAggregate[]) {
  const eventTypes = eventTypesOf(aggregates);
  const counts = new Map<string, Count>();
  const add = (stored: StoredEvent): void => {
    const { aggregateType, type, schemaVersion, position } = stored;
    const name = JSON.stringify([aggregateType, type, schemaVersion]);
    const count: Count = counts.get(name) ?? {
      aggregateType,
      type,
      schemaVersion,
      events: 0,
      faults: new Map(),
    };
    counts.set(name, count);
    count.events += 1;
    const fault = faultOf(eventTypes.get(type), stored);
    if (fault === undefined) return;
    const found = count.faults.get(fault) ?? { count: 0, positions: [] };
    count.faults.set(fault, found);
    found.count += 1;
    if (found.positions.length < positionsShown) found.positions.push(position);
  };
  const statusOf = ({ type, schemaVersion, faults }: Count): StoredVersion["status"] => {
    if (faults.size > 0) return "fault";
    return eventTypes.get(type)?.definition.version === schemaVersion ? "today" : "upcast";
  };
  const versions = (): readonly StoredVersion[] =>
    [...counts]
      .toSorted(([left], [right]) => (left < right ? -1 : 1))
      .map(([, { events: count, faults, ...version }]) => ({
        ...version,
        count,
        status: statusOf({ ...version, events: count, faults }),
        faults: [...faults].map(([fault, found]) => ({ fault, ...found })),
      }));
  return { add, versions };
}

export type HistoryOptions = {
  readonly aggregates: readonly AnyAggregate[];
  /** Ends it; what was looked at until then is told. */
  readonly signal: AbortSignal;
  /** Called after each page with the events looked at so far, and all there are. */
  readonly onPage: (done: number, all: number) => void;
};

/** Waits for a value, but no longer than until the signal fires; then there is none. */
function untilAborted(signal: AbortSignal) {
  const aborted = new Promise<undefined>((resolve) => {
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
  return async <Value>(value: Promise<Value>): Promise<Value | undefined> =>
    signal.aborted ? undefined : Promise.race([value, aborted]);
}

/** Looks at every event that is attached. Throws VarveError of the store; it may be asked again. */
export async function examineHistory(pool: Pool, options: HistoryOptions): Promise<History> {
  const { aggregates, signal, onPage } = options;
  const wait = untilAborted(signal);
  const parts = (await wait(historyParts(pool))) ?? [];
  const attached = parts.filter(({ state }) => state === "attached");
  const all = attached.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  const counts = createCounts(aggregates);
  let events = 0;
  for (const part of attached) {
    const pages = readPart(pool, part);
    for (;;) {
      const step = await wait(pages.next());
      if (step === undefined || step.done === true) break;
      step.value.forEach(counts.add);
      events += step.value.length;
      onPage(events, all);
    }
  }
  const interrupted = signal.aborted && (parts.length === 0 || events < all);
  return {
    events,
    versions: counts.versions(),
    missing: interrupted ? 0 : all - events,
    notLookedAt: parts.filter(({ state }) => state !== "attached"),
    interrupted,
  };
}
