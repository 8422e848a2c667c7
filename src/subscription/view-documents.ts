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
import { type KeyedEvent, keyOf } from "./fold.ts";
import type { WorkContext } from "./work.ts";

const unique = (names: readonly string[]): readonly string[] => [...new Set(names)];

/** What the events meet: documents, and what waits. */
export async function readBefore(
  { pool, cursor }: WorkContext,
  keyed: readonly KeyedEvent[],
): Promise<Before> {
  const documents = unique(keyed.map(keyOf).filter((key) => key !== null));
  const mayWait = cursor.hasLetters();
  if (documents.length === 0 && !mayWait) return { documents: [], keys: [], streams: [] };
  return readProjection(pool, {
    subscription: cursor.subscription,
    documents,
    keys: mayWait ? documents : [],
    streams: mayWait ? unique(keyed.map(({ page }) => page.stream)) : [],
  });
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
