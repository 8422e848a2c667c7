/**
 * One step ahead: while what a page made of a view's documents is being written, the next page is
 * folded over it. Whatever fails is left to be done again, one after the other, from where the
 * checkpoint then is.
 */
import type { View } from "#domain/decider.ts";
import { isCode } from "#kernel/errors.ts";
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

  return {
    toPosition: () => (sent?.isOver === false ? sent.toPosition : undefined),
    settle,
    send: async (events, toPosition) => {
      if (events.length === 0) return false;
      const before = sent;
      const folded = await foldOver(context, view, events, before?.documents);
      await settle();
      // What it was folded over may not be there.
      if (before !== undefined && cursor.stored() < before.toPosition) return false;
      start(folded, toPosition);
      if (isPlain(folded)) return true;
      await settle();
      return cursor.stored() >= toPosition;
    },
  };
}
