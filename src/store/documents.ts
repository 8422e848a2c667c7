import type { Pool, Row } from "./pool.ts";
import { queries } from "./statements.ts";

/** What the store needs to know of a view to keep its documents. */
export type ViewTable = {
  readonly name: string;
  readonly version: number;
  /** Fields of the document that lists filter by; each gets an index. */
  readonly filterFields: readonly string[];
};

export type StoredDocument = {
  readonly key: string;
  readonly document: Readonly<Record<string, unknown>>;
  /** Of the last event that was folded in. */
  readonly position: number;
  /** Of the event that made it; lists are ordered by it. */
  readonly firstPosition: number;
};

/** Documents together with how far their view was at that moment. */
export type DocumentPage = {
  readonly position: number;
  readonly documents: readonly StoredDocument[];
};

export type DocumentFilter = {
  readonly field: string;
  readonly compare: "eq" | "gte" | "lte";
  readonly value: string;
};

export type DocumentList = {
  readonly filters: readonly DocumentFilter[];
  readonly newest: boolean;
  /** Where the page before ended; both or neither. */
  readonly after?: { readonly position: number; readonly key: string };
  readonly limit: number;
};

/** One document after a page of events; null removes it. Positions as in StoredDocument. */
export type DocumentChange = {
  readonly key: string;
  readonly document: unknown;
  readonly firstPosition: number;
  readonly position: number;
};

/** An event that was put aside; the later events of its stream wait behind it. */
export type DeadLetter = {
  /** The name of the stream. */
  readonly key: string;
  readonly position: number;
  /** A literal code, never a message. */
  readonly errorCode: string;
};

export type ProjectionPage = {
  readonly view: string;
  readonly epoch: number;
  /** Where the checkpoint must be, and where it will be. */
  readonly fromPosition: number;
  readonly toPosition: number;
  readonly events: number;
  readonly changes: readonly DocumentChange[];
  readonly deadLetters: readonly DeadLetter[];
};

type PageRow = Row & { readonly position: number; readonly documents: readonly StoredDocument[] };

const pageOf = (rows: readonly PageRow[]): DocumentPage => ({
  position: rows[0]?.position ?? 0,
  documents: rows[0]?.documents ?? [],
});

/** Makes what the view needs in the database, unless it is there. True if it made anything. */
export async function ensureView(pool: Pool, view: ViewTable): Promise<boolean> {
  const [row] = await pool.query<{ made: boolean }>(queries.ensureView, [
    view.name,
    view.version,
    JSON.stringify(view.filterFields),
  ]);
  return row?.made === true;
}

/** The documents of those keys that exist, in any order. */
export async function readDocuments(
  pool: Pool,
  view: string,
  keys: readonly string[],
): Promise<DocumentPage> {
  return pageOf(await pool.query<PageRow>(queries.readDocuments, [view, JSON.stringify(keys)]));
}

/** A page of a view's documents in the order of the list. */
export async function listDocuments(
  pool: Pool,
  view: string,
  list: DocumentList,
): Promise<DocumentPage> {
  const rows = await pool.query<PageRow>(queries.listDocuments, [
    view,
    JSON.stringify(list.filters),
    list.newest,
    list.after?.position ?? null,
    list.after?.key ?? null,
    list.limit,
  ]);
  return pageOf(rows);
}

/** Those of the documents that exist, and those of the streams that wait behind a dead letter. */
export async function readProjection(
  pool: Pool,
  { view, keys, streams }: { view: string; keys: readonly string[]; streams: readonly string[] },
): Promise<{ documents: readonly StoredDocument[]; waiting: readonly string[] }> {
  const [row] = await pool.query<{ documents: StoredDocument[]; waiting: string[] }>(
    queries.readProjection,
    [view, JSON.stringify(keys), JSON.stringify(streams)],
  );
  return { documents: row?.documents ?? [], waiting: row?.waiting ?? [] };
}

/**
 * Writes documents, checkpoint and dead letters in one statement. False where the epoch or the position is no
 * longer the caller's: nothing was written. A repeat is safe.
 */
export async function applyProjection(pool: Pool, page: ProjectionPage): Promise<boolean> {
  const [row] = await pool.query<{ applied: boolean }>(queries.applyProjection, [
    page.view,
    page.epoch,
    page.fromPosition,
    page.toPosition,
    page.events,
    JSON.stringify(page.changes),
    JSON.stringify(page.deadLetters),
  ]);
  return row?.applied === true;
}
