/**
 * Read models out: documents and lists of a view, opened for those who may see.
 *
 * What it promises: an answer and its position are of the same moment, and never from before the
 * viewer's minimum (`wait.ts`). Personal fields leave here as values for a viewer with the right to
 * them, else masked; of an erased subject as `{ "erased": true }`. This is the only room that opens
 * sealed values.
 *
 * What it relies on: the views' own marks, and the store's one statement for page and position.
 *
 * How it fails: VarveError of the store; `view-behind` where the minimum is not reached in time;
 * `sealed-value-…` and `key-missing` where stored bytes are not what they must be, which is never
 * hidden behind a mask.
 *
 * What it does not do: authorise.
 */
import type { View } from "#domain/decider.ts";
import { invariant } from "#kernel/errors.ts";
import { streamName } from "#kernel/ids.ts";
import { personalMark } from "#kernel/personal.ts";
import { openFields, type SealedField } from "#pii/fields.ts";
import type { Keyring } from "#pii/keyring.ts";
import { maskFields } from "#pii/mask-fields.ts";
import {
  listDocuments,
  readDocuments,
  type DocumentFilter,
  type StoredDocument,
} from "#store/documents.ts";
import type { Pool } from "#store/pool.ts";

import { encodeCursor, type Cursor } from "./cursor.ts";
import { createViewWaits, type Minimum } from "./wait.ts";

export type Document = Readonly<Record<string, unknown>>;

export type Viewer = {
  readonly mayReadPersonal: boolean;
  /** How far the view must be; as far as it is where there is none. */
  readonly minimum?: Minimum;
};

export type DocumentAnswer = {
  /** How far the view was. */
  readonly position: number;
  /** Undefined where there is none, or none yet. */
  readonly document: Document | undefined;
  /** Changes whenever the document does. */
  readonly version: number;
};

export type ListRequest = {
  readonly filters: readonly DocumentFilter[];
  readonly limit: number;
  readonly after?: Cursor;
};

export type ListAnswer = {
  readonly position: number;
  readonly items: readonly Document[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
};

export type QueryReader = {
  readonly byKey: (view: View, key: string, viewer: Viewer) => Promise<DocumentAnswer>;
  readonly list: (view: View, request: ListRequest, viewer: Viewer) => Promise<ListAnswer>;
  /** A view has moved in this process: who waits for it looks now. Nothing depends on it. */
  readonly hint: () => void;
};

/** The document's version in its stream where it has one, else the position of its last event. */
const versionOf = ({ document, position }: StoredDocument): number => {
  const version = document["version"];
  return typeof version === "number" ? version : position;
};

function sealedFields(view: View, document: Document): readonly SealedField[] {
  return Object.entries(view.personal ?? {}).flatMap(([field, sealed]) => {
    if (sealed === undefined) return [];
    const mark = personalMark(sealed.schema);
    const id = document[sealed.stream.idField];
    invariant(mark !== undefined && typeof id === "string", `${view.name}.${field} is misdeclared`);
    return [{ field, mark, stream: streamName(sealed.stream.aggregateType, id) }];
  });
}

/** Makes the reader. */
export function createQueryReader(pool: Pool, keyring: Keyring): QueryReader {
  const waits = createViewWaits(pool);
  const show = async (
    view: View,
    stored: readonly StoredDocument[],
    viewer: Viewer,
  ): Promise<readonly Document[]> => {
    const sealed = stored.map(({ document }) => ({
      document,
      fields: sealedFields(view, document),
    }));
    if (view.personal === undefined) return stored.map(({ document }) => document);
    const opened = await openFields(keyring, sealed);
    if (viewer.mayReadPersonal) return opened;
    return opened.map((document, index) => maskFields(document, sealed[index]?.fields ?? []));
  };

  return {
    hint: waits.hint,
    byKey: async (view, key, viewer) => {
      const { position, documents } = await waits.read(view.name, viewer.minimum, () =>
        readDocuments(pool, view.name, [key]),
      );
      const [document] = await show(view, documents, viewer);
      const [stored] = documents;
      return { position, document, version: stored === undefined ? 0 : versionOf(stored) };
    },
    list: async (view, { filters, limit, after }, viewer) => {
      invariant(view.list !== undefined, `${view.name} has no list`);
      // One more than asked for tells whether there is a next page.
      const list = {
        filters,
        newest: view.list.order === "newest",
        limit: limit + 1,
        ...(after === undefined ? {} : { after }),
      };
      const page = await waits.read(view.name, viewer.minimum, () =>
        listDocuments(pool, view.name, list),
      );
      const shown = page.documents.slice(0, limit);
      const last = page.documents.length > limit ? shown.at(-1) : undefined;
      return {
        position: page.position,
        items: await show(view, shown, viewer),
        nextCursor:
          last === undefined ? null : encodeCursor({ position: last.firstPosition, key: last.key }),
      };
    },
  };
}
