import type { Pool, Row } from "./pool.ts";
import { queries } from "./statements.ts";

/** UTF-8 of a document's key: it goes into indexes, whose entries end at 2.7 kB, and into cursors. */
export const KEY_BYTES_MAX = 1_000;

/** What the store needs to know of a view to keep its documents. */
export type ViewTable = {
  readonly name: string;
  readonly version: number;
  /** Fields of the document that lists filter by; each gets an index. */
  readonly filterFields: readonly string[];
  /** Of its definition: documents of two definitions are never mixed. */
  readonly fingerprint: string;
  readonly eventTypes: readonly string[];
  /** Undefined: streams of any. */
  readonly aggregateTypes: readonly string[] | undefined;
  readonly partitions: number;
  /** Where a new one begins, exclusive; null for the end of the log, whose next versions begin there. */
  readonly startPosition: number | null;
};

export type StoredDocument = {
  readonly key: string;
  readonly document: Readonly<Record<string, unknown>>;
  /** Of the last event that was folded in. */
  readonly position: number;
  /** Of the event that made it; lists are ordered by it. */
  readonly firstPosition: number;
};

/** Documents together with how far their view was at that moment, by its slowest partition. */
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
    view.fingerprint,
    JSON.stringify(view.eventTypes),
    view.partitions,
    view.startPosition,
    view.aggregateTypes === undefined ? null : JSON.stringify(view.aggregateTypes),
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

/** How far each subscription is, by its name: as far as the slowest of its partitions. */
export async function readCheckpoints(
  pool: Pool,
  deadlineMs: number,
): Promise<ReadonlyMap<string, number>> {
  const rows = await pool.query<{ subscription: string; position: number }>(
    queries.readCheckpoints,
    [],
    deadlineMs,
  );
  return new Map(rows.map(({ subscription, position }) => [subscription, position]));
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
