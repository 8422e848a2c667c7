import type { RecordedEvent, View } from "#domain/decider.ts";
import {
  applyProjection,
  readDocuments,
  type DocumentChange,
  type StoredDocument,
} from "#store/documents.ts";
import type { StoredEvent } from "#store/events.ts";
import type { Pool } from "#store/pool.ts";

/** A page of events for one view, as the holder of an epoch writes it. */
export type ViewPage = {
  readonly view: View;
  readonly epoch: number;
  /** Where the view's checkpoint is; earlier events of the page are not for it. */
  readonly fromPosition: number;
  readonly toPosition: number;
  readonly events: readonly StoredEvent[];
};

/** The events that change a document of the view, in order, each with the document's key. */
function keyedEvents({ view, events, fromPosition }: ViewPage) {
  const wanted = new Set<string>(view.events);
  return events.flatMap((event) => {
    if (event.position <= fromPosition || !wanted.has(event.type)) return [];
    const recorded: RecordedEvent = event;
    const key = view.key(recorded);
    return key === null ? [] : [{ key, event: recorded }];
  });
}

/**
 * Folds the page in memory and writes each touched document once, together with the checkpoint.
 * False where another owner has the lease by now: nothing was written. Throws what the view's own
 * functions throw, and VarveError of the store; a repeat is safe.
 */
export async function projectPage(pool: Pool, page: ViewPage): Promise<boolean> {
  const { view } = page;
  const keyed = keyedEvents(page);
  const changes = new Map<string, DocumentChange>();
  const before = new Map<string, StoredDocument>();
  if (keyed.length > 0) {
    const keys = [...new Set(keyed.map(({ key }) => key))];
    const stored = await readDocuments(pool, view.name, keys);
    for (const document of stored.documents) before.set(document.key, document);
  }
  for (const { key, event } of keyed) {
    const last = changes.get(key) ?? before.get(key);
    const isNew = last === undefined || last.document === null;
    const document = view.project(isNew ? null : last.document, event);
    // The event that makes a document gives its place in lists, wherever the page is cut.
    const firstPosition = isNew ? event.position : last.firstPosition;
    changes.set(key, { key, document, firstPosition, position: event.position });
  }
  return applyProjection(pool, {
    view: view.name,
    epoch: page.epoch,
    fromPosition: page.fromPosition,
    toPosition: page.toPosition,
    events: keyed.length,
    changes: [...changes.values()],
  });
}
