/**
 * The fold: what a page of events makes of a view's documents, in memory.
 *
 * An event that fails is put aside under a key, and later events of that key wait behind it, so that
 * every document remains a fold of its events in order: under its document where the view's own code
 * failed, under its stream where the event could not be read, because nobody knows its document
 * then. All others go on.
 */
import type { RecordedEvent, View } from "#domain/decider.ts";
import { VarveError } from "#kernel/errors.ts";
import type { Before } from "#store/checkpoints.ts";
import { behindDeadLetter, type DeadLetter } from "#store/dead-letters.ts";
import { type DocumentChange, KEY_BYTES_MAX } from "#store/documents.ts";

import { classify, type Classified } from "./failure.ts";
import type { Mark } from "./marks.ts";
import type { PageEvent } from "./windows.ts";

/** An event that a view wants: with its document's key, none, or why that is not known. */
export type KeyedEvent =
  | { readonly known: false; readonly page: PageEvent; readonly error: unknown }
  | {
      readonly known: true;
      readonly page: PageEvent;
      readonly event: RecordedEvent;
      readonly key: string | null;
    };

/** The key of its document; null for none, or one that is not known. */
export const keyOf = (keyed: KeyedEvent): string | null => (keyed.known ? keyed.key : null);

/** Whether documents and dead letters can be kept under it: Postgres has no NUL in text. */
const isKey = (key: unknown): key is string =>
  typeof key === "string" &&
  key.isWellFormed() &&
  !key.includes("\0") &&
  Buffer.byteLength(key) <= KEY_BYTES_MAX;

const unfitKey = (): VarveError =>
  new VarveError("invalid-data", `a key must be text of at most ${KEY_BYTES_MAX} bytes`);

/**
 * The document as the next event meets it, in the same page or in another: what is left in JSON, but
 * that the database puts fields in an order of its own. Costs 0.3 ms for 100 kB.
 */
export function asStored(document: unknown): unknown {
  const text = JSON.stringify(document) as string | undefined;
  return text === undefined ? null : (JSON.parse(text) as unknown);
}

/** An event that failed, and what of. */
export type FailedEvent = Classified & { readonly page: PageEvent; readonly error: unknown };

export type Folded = {
  readonly changes: readonly DocumentChange[];
  readonly taken: readonly number[];
  /** Without the time at which they are tried again: that is decided where they are written. */
  readonly letters: readonly Omit<DeadLetter, "dueInMs">[];
  readonly failed: readonly FailedEvent[];
  /** The event in front of which it stopped; nothing after it was looked at. */
  readonly stoppedAt: FailedEvent | undefined;
};

/** How a view fails on an event, for logs and letters. */
export const viewFailed = "view-failed";

const partitionedByStream = (view: View): VarveError =>
  new VarveError(
    "configuration-invalid",
    `the view ${view.name} has partitions, so that its documents must be those of one stream each`,
  );

/** How events are met that may end the worker. */
export type Guard = {
  readonly mark: Mark;
  /** How often an event has ended a worker. */
  readonly crashesOf: (position: number) => number;
  /** It is given up after one more. */
  readonly retries: number;
};

const givenUp = (): VarveError =>
  new VarveError("handler-crashed", "the event has ended the worker again and again");

/** The events with their keys. Throws `configuration-invalid` for a view that cannot be divided. */
export function keyedEvents(
  view: View,
  events: readonly PageEvent[],
  { partitions, mark, crashesOf, retries }: Guard & { readonly partitions: number },
): readonly KeyedEvent[] {
  const keyed = events.map((page): KeyedEvent => {
    const { position } = page.stored;
    // One that is given up has its key, unless it ends the worker even so.
    if (crashesOf(position) > retries + 1) return { known: false, page, error: givenUp() };
    mark.at(position);
    const read = page.read();
    if (!read.ok) return { known: false, page, error: read.error };
    try {
      const event = read.value;
      const key = view.key(event);
      if (partitions > 1 && key !== null && key !== event.aggregateId) {
        throw partitionedByStream(view);
      }
      if (key !== null && !isKey(key)) return { known: false, page, error: unfitKey() };
      return { known: true, page, event, key };
    } catch (error) {
      if (error instanceof VarveError) throw error;
      return { known: false, page, error };
    }
  });
  mark.at(0);
  return keyed;
}

/** What events meet: documents, stored or on their way there, and what waits. */
export type Met = Omit<Before, "documents"> & { readonly documents: readonly DocumentChange[] };

export type FoldOptions = Guard & {
  readonly view: View;
  readonly before: Met;
  readonly continueOnError: boolean;
};

/** An empty fold over what was before. */
function createFold({ view, before, mark }: FoldOptions) {
  const stored = new Map(before.documents.map((document) => [document.key, document]));
  const waiting = {
    document: new Set(before.keys.map(({ key }) => key)),
    stream: new Set(before.streams),
  };
  const changes = new Map<string, DocumentChange>();
  const taken: number[] = [];
  const letters: Omit<DeadLetter, "dueInMs">[] = [];

  const putAside = (keyed: KeyedEvent, errorCode: string, attempts: number): void => {
    const { page } = keyed;
    const { position, eventId, type: eventType } = page.stored;
    const key = keyOf(keyed);
    const at =
      key === null
        ? ({ kind: "stream", key: page.stream } as const)
        : ({ kind: "document", key } as const);
    waiting[at.kind].add(at.key);
    const event = { stream: page.stream, position, eventId, eventType };
    letters.push({ ...at, ...event, errorCode, attempts });
  };

  const project = (key: string, event: RecordedEvent): void => {
    const changed = changes.get(key);
    const last =
      changed === undefined
        ? stored.get(key)
        : { ...changed, document: asStored(changed.document) };
    const isNew = last === undefined || last.document === null;
    mark.at(event.position);
    const document = view.project(isNew ? null : last.document, event);
    // The event that makes a document gives its place in lists, wherever the page is cut.
    const firstPosition = isNew ? event.position : last.firstPosition;
    const position = Math.max(event.position, last?.position ?? 0);
    changes.set(key, { key, document, firstPosition, position });
  };

  return { waiting, changes, taken, letters, putAside, project };
}

/** Folds the events in order. */
export function foldEvents(options: FoldOptions, events: readonly KeyedEvent[]): Folded {
  const fold = createFold(options);
  const failed: FailedEvent[] = [];
  let stoppedAt: FailedEvent | undefined;
  for (const keyed of events) {
    const { stream, stored } = keyed.page;
    const key = keyOf(keyed);
    const crashes = options.crashesOf(stored.position);
    const isGivenUp = crashes > options.retries;
    if (fold.waiting.stream.has(stream) || (key !== null && fold.waiting.document.has(key))) {
      fold.putAside(keyed, behindDeadLetter, 0);
      continue;
    }
    try {
      if (!keyed.known) throw keyed.error;
      if (isGivenUp) throw givenUp();
      if (keyed.key !== null) fold.project(keyed.key, keyed.event);
      fold.taken.push(stored.position);
    } catch (error) {
      const failure = { ...classify(error, viewFailed), page: keyed.page, error };
      failed.push(failure);
      if (!options.continueOnError) {
        stoppedAt = failure;
        break;
      }
      fold.putAside(keyed, failure.code, isGivenUp ? crashes : crashes + 1);
    }
  }
  options.mark.at(0);
  const { taken, letters } = fold;
  return { changes: [...fold.changes.values()], taken, letters, failed, stoppedAt };
}
