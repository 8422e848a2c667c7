import type { RecordedEvent, View } from "#domain/decider.ts";
import { type EventTypes, upcast } from "#domain/upcast.ts";
import type { VarveError } from "#kernel/errors.ts";
import { streamName } from "#kernel/ids.ts";
import type { Result } from "#kernel/result.ts";
import {
  applyProjection,
  readProjection,
  type DeadLetter,
  type DocumentChange,
  type StoredDocument,
} from "#store/documents.ts";
import type { StoredEvent } from "#store/events.ts";
import type { Pool } from "#store/pool.ts";

/** An event of a page, and what this program makes of it: an event of today, or why there is none. */
export type PageEvent = {
  readonly stored: StoredEvent;
  readonly read: Result<RecordedEvent, VarveError>;
};

/** A page of events for one view, as the holder of an epoch writes it. */
export type ViewPage = {
  readonly view: View;
  readonly epoch: number;
  /** Where the view's checkpoint is; earlier events of the page are not for it. */
  readonly fromPosition: number;
  readonly toPosition: number;
  readonly events: readonly PageEvent[];
  /** Whether an event that cannot be read is put aside; else the view stops in front of it. */
  readonly continueOnError: boolean;
};

export type Projected = {
  /** False where another owner has the lease by now: nothing was written. */
  readonly applied: boolean;
  /** Where the checkpoint is. */
  readonly position: number;
  readonly deadLetters: readonly DeadLetter[];
  /** Why it stopped in front of an event. */
  readonly stopped?: VarveError;
};

/** Reads each event once, for all views: an upcaster is not run for each of them. */
export const readPage = (
  eventTypes: EventTypes,
  page: readonly StoredEvent[],
): readonly PageEvent[] =>
  page.map((stored) => ({ stored, read: upcast(eventTypes.get(stored.type), stored) }));

type KeyedEvent = { readonly stream: string; readonly position: number } & (
  | { readonly error: VarveError }
  | { readonly error?: never; readonly key: string; readonly event: RecordedEvent }
);

/** The events that the view wants, in order: each with its document's key, or with its error. */
function keyedEvents({ view, events, fromPosition }: ViewPage): readonly KeyedEvent[] {
  const wanted = new Set<string>(view.events);
  return events.flatMap(({ stored, read }): readonly KeyedEvent[] => {
    const { position, type, aggregateType, aggregateId } = stored;
    if (position <= fromPosition || !wanted.has(type)) return [];
    const stream = streamName(aggregateType, aggregateId);
    if (!read.ok) return [{ stream, position, error: read.error }];
    const key = view.key(read.value);
    return key === null ? [] : [{ stream, position, key, event: read.value }];
  });
}

type Before = {
  readonly documents: readonly StoredDocument[];
  /** Streams that wait behind a dead letter of an earlier page. */
  readonly waiting: readonly string[];
};

const unique = (names: readonly string[]): readonly string[] => [...new Set(names)];

async function readBefore(pool: Pool, view: View, keyed: readonly KeyedEvent[]): Promise<Before> {
  if (keyed.length === 0) return { documents: [], waiting: [] };
  return readProjection(pool, {
    view: view.name,
    keys: unique(keyed.flatMap((each) => (each.error === undefined ? [each.key] : []))),
    streams: unique(keyed.map(({ stream }) => stream)),
  });
}

/** Folds in memory. What follows a dead letter in its stream waits behind it, in order. */
function foldPage(view: View, keyed: readonly KeyedEvent[], before: Before) {
  const stored = new Map(before.documents.map((document) => [document.key, document]));
  const waiting = new Set(before.waiting);
  const changes = new Map<string, DocumentChange>();
  const deadLetters: DeadLetter[] = [];
  for (const each of keyed) {
    const { stream, position } = each;
    if (each.error !== undefined || waiting.has(stream)) {
      const errorCode = each.error?.code ?? "behind-dead-letter";
      deadLetters.push({ key: stream, position, errorCode });
      waiting.add(stream);
      continue;
    }
    const { key, event } = each;
    const last = changes.get(key) ?? stored.get(key);
    const isNew = last === undefined || last.document === null;
    const document = view.project(isNew ? null : last.document, event);
    // The event that makes a document gives its place in lists, wherever the page is cut.
    const firstPosition = isNew ? position : last.firstPosition;
    changes.set(key, { key, document, firstPosition, position });
  }
  return { changes: [...changes.values()], deadLetters };
}

/**
 * Folds the page in memory and writes each touched document once, together with the checkpoint and
 * the dead letters of events that cannot be read. Throws what the view's own functions throw, and
 * VarveError of the store; a repeat is safe.
 */
export async function projectPage(pool: Pool, page: ViewPage): Promise<Projected> {
  const { view, epoch, fromPosition } = page;
  const all = keyedEvents(page);
  const obstacle = page.continueOnError ? undefined : all.find(({ error }) => error !== undefined);
  const toPosition = obstacle === undefined ? page.toPosition : obstacle.position - 1;
  const stopped = obstacle?.error === undefined ? {} : { stopped: obstacle.error };
  if (toPosition === fromPosition) {
    return { applied: true, position: fromPosition, deadLetters: [], ...stopped };
  }
  const keyed = all.filter(({ position }) => position <= toPosition);
  const { changes, deadLetters } = foldPage(view, keyed, await readBefore(pool, view, keyed));
  const applied = await applyProjection(pool, {
    view: view.name,
    epoch,
    fromPosition,
    toPosition,
    events: keyed.length - deadLetters.length,
    changes,
    deadLetters,
  });
  return { applied, position: toPosition, deadLetters, ...stopped };
}
