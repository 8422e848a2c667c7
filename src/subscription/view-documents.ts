/** The documents of a view, as its holder reads and writes them. */
import {
  advanceCheckpoint,
  applyProjection,
  type Before,
  changeText,
  readProjection,
} from "#store/checkpoints.ts";
import type { DocumentChange } from "#store/documents.ts";

import type { CursorStep } from "./cursor.ts";
import { asStored, type KeyedEvent, keyOf, type Met } from "./fold.ts";
import type { WorkContext } from "./work.ts";

const unique = (names: readonly string[]): readonly string[] => [...new Set(names)];

/** What the events meet: documents, stored or about to be, and what waits. */
export async function readBefore(
  { pool, cursor }: WorkContext,
  keyed: readonly KeyedEvent[],
  sent: ReadonlyMap<string, DocumentChange>,
): Promise<Met> {
  const keys = unique(keyed.map(keyOf).filter((key) => key !== null));
  const documents = keys.filter((key) => !sent.has(key));
  const mayWait = cursor.hasLetters();
  const stored: Before =
    documents.length === 0 && !mayWait
      ? { documents: [], keys: [], streams: [] }
      : await readProjection(pool, {
          subscription: cursor.subscription,
          documents,
          keys: mayWait ? keys : [],
          streams: mayWait ? unique(keyed.map(({ page }) => page.stream)) : [],
        });
  const found = keys
    .map((key) => sent.get(key))
    .filter((change) => change !== undefined)
    .map((change) => ({ ...change, document: asStored(change.document) }));
  return { ...stored, documents: [...stored.documents, ...found] };
}

/** Writes a step with its documents. */
export async function writeStep(
  { pool, cursor }: WorkContext,
  step: CursorStep,
  changes: readonly DocumentChange[],
): Promise<void> {
  const texts = changes.map(changeText);
  await cursor.write(step, (whole) =>
    texts.length === 0 ? advanceCheckpoint(pool, whole) : applyProjection(pool, whole, texts),
  );
}
