/**
 * One step ahead: while what a page made of a view's documents is being written, the next page is
 * folded over it. Whatever fails is left to be done again, one after the other, from where the
 * checkpoint then is.
 *
 * What it relies on: each step moves the checkpoint, so that one which was folded over a step that
 * did not take effect is refused; a dead letter is tried again only once nothing is on its way; and
 * `invalid-data` is never the answer to what may have been committed.
 */
import type { View } from "#domain/decider.ts";
import { isCode, VarveError } from "#kernel/errors.ts";
import type { DocumentChange } from "#store/documents.ts";

import type { Folded } from "./fold.ts";
import { bring, foldOver } from "./view-apply.ts";
import type { PageEvent } from "./windows.ts";
import type { WorkContext } from "./work.ts";

type Sent = {
  readonly toPosition: number;
  readonly documents: ReadonlyMap<string, DocumentChange>;
  /** As the writing ends. */
  readonly done: Promise<void>;
  isOver: boolean;
};

export type Ahead = {
  /** How far what was sent goes; undefined where nothing is on its way. */
  readonly toPosition: () => number | undefined;
  /** Until nothing is on its way. Throws once what the last step that was sent has met. */
  readonly settle: () => Promise<void>;
  /** The same where there is one more try: throws nothing but a Defect. */
  readonly end: () => Promise<void>;
  /**
   * Folds events, the next ones, and sends what they make up to a position; where any of them failed
   * or waits, until it is in effect. False where they are to be done again. Throws as `settle` and
   * the reading do.
   */
  readonly send: (events: readonly PageEvent[], toPosition: number) => Promise<boolean>;
};

/** Nothing failed, and nothing waits: what follows depends on the documents alone. */
const isPlain = ({ letters, failed, stoppedAt }: Folded): boolean =>
  letters.length === 0 && failed.length === 0 && stoppedAt === undefined;

/** Makes it, with nothing on its way. */
export function createAhead(context: WorkContext, view: View): Ahead {
  const { cursor, condition, nudge } = context;
  /** Until it was heard what became of it. */
  let sent: Sent | undefined;

  const start = (folded: Folded, toPosition: number): void => {
    const documents = new Map(folded.changes.map((change) => [change.key, change]));
    const done = bring(context, folded, toPosition);
    const own: Sent = { toPosition, documents, done, isOver: false };
    sent = own;
    const end = (then: () => void) => (): void => {
      own.isOver = true;
      then();
    };
    done.then(end(condition.succeed), end(nudge));
  };

  const settle = async (): Promise<void> => {
    const own = sent;
    sent = undefined;
    try {
      await own?.done;
    } catch (error) {
      // One document that the database does not take: whose it is, turns out when it is done again.
      if (!isCode(error, "invalid-data")) throw error;
    }
  };

  /** Whether what was sent took effect, once that is known. */
  const took = async (): Promise<boolean> => {
    const to = sent?.toPosition ?? 0;
    await settle();
    return cursor.stored() >= to;
  };

  /** Undefined where the database does not take a key of a document: its event is to be put aside. */
  const foldSafely = async (events: readonly PageEvent[]): Promise<Folded | undefined> => {
    try {
      return await foldOver(context, view, events, sent?.documents);
    } catch (error) {
      if (isCode(error, "invalid-data")) return undefined;
      throw error;
    }
  };

  return {
    toPosition: () => (sent?.isOver === false ? sent.toPosition : undefined),
    settle,
    end: () =>
      settle().catch((error: unknown) => {
        if (!(error instanceof VarveError)) throw error;
      }),
    send: async (events, toPosition) => {
      if (events.length === 0) return false;
      if (sent?.isOver === true && !(await took())) return false;
      const folded = await foldSafely(events);
      // What it was folded over may not be there.
      if (!(await took()) || folded === undefined) return false;
      start(folded, toPosition);
      if (isPlain(folded)) return true;
      await settle();
      return cursor.stored() >= toPosition;
    },
  };
}
