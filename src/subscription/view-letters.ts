/**
 * A view's dead letters that are due, folded once more: in order, between two pages, by the same
 * statement that writes pages.
 */
import type { View } from "#domain/decider.ts";
import { isCode } from "#kernel/errors.ts";
import {
  behindDeadLetter,
  type DueLetter,
  readDueLetters,
  type SettledLetter,
} from "#store/dead-letters.ts";

import {
  foldEvents,
  type Folded,
  type KeyedEvent,
  keyedEvents,
  keyOf,
  type Met,
  viewFailed,
} from "./fold.ts";
import type { PageEvent } from "./windows.ts";
import { readBefore, writeStep } from "./view-documents.ts";
import { nextAttemptMs, tellEvent, type WorkContext } from "./work.ts";

type Attempt = { readonly letter: DueLetter; readonly keyed: KeyedEvent };

/** How soon a letter is looked at again whose document waits behind another one's. */
const BLOCKED_MS = 1_000;

/** What became of letters that were folded again, by position. */
function settledLetters(
  context: WorkContext,
  attempts: readonly Attempt[],
  folded: Folded,
): readonly SettledLetter[] {
  const taken = new Set(folded.taken);
  return attempts.flatMap(({ letter }): readonly SettledLetter[] => {
    const { id, event } = letter;
    if (taken.has(event.position)) {
      return [{ id, resolved: true, errorCode: null, dueInMs: null }];
    }
    const failure = folded.failed.find(({ page }) => page.stored.position === event.position);
    // What waits behind one that failed again has not been tried.
    if (failure === undefined) return [];
    const attempt = letter.attempts + 1;
    const dueInMs = nextAttemptMs(context.settings, failure, attempt);
    const outcome = dueInMs === null ? "put-aside" : "retried";
    const told = {
      error: failure.error,
      code: viewFailed,
      attempt,
      outcome,
      isRepeat: true,
    } as const;
    tellEvent(context, failure.page, told);
    return [{ id, resolved: false, errorCode: failure.code, dueInMs }];
  });
}

/**
 * The letters that can be folded: an event that could not be read before may turn out to be one of a
 * document of which others wait, and then waits for them.
 */
function attemptsOf(
  letters: readonly DueLetter[],
  keyed: readonly KeyedEvent[],
  { keys }: Pick<Met, "keys">,
): readonly Attempt[] {
  const own = new Set(letters.flatMap(({ kind, key }) => (kind === "document" ? [key] : [])));
  const first = new Map(keys.map(({ key, position }) => [key, position]));
  const isFree = ({ kind, event }: DueLetter, one: KeyedEvent): boolean => {
    const key = keyOf(one) ?? "";
    // Those that follow it wait for it, and it must not wait for them.
    return kind === "document" || own.has(key) || (first.get(key) ?? Infinity) > event.position;
  };
  return letters.flatMap((letter, index) => {
    const one = keyed[index];
    return one !== undefined && isFree(letter, one) ? [{ letter, keyed: one }] : [];
  });
}

const settledLater = ({ id }: DueLetter): SettledLetter => ({
  id,
  resolved: false,
  errorCode: behindDeadLetter,
  dueInMs: BLOCKED_MS,
});

type Options = {
  readonly view: View;
  readonly toPage: (letter: DueLetter) => PageEvent;
};

/** Folds the events of letters over what is stored, as far as they can be folded. */
async function foldAgain(
  context: WorkContext,
  { view, toPage }: Options,
  letters: readonly DueLetter[],
) {
  const { cursor, marks } = context;
  const mark = marks(cursor);
  // Whoever wants them tried again wants it, however often they have ended a worker.
  const guard = { mark, crashesOf: () => 0, retries: 0 };
  try {
    const { partitions } = cursor;
    const keyed = keyedEvents(view, letters.map(toPage), { ...guard, partitions });
    const before = await readBefore(context, keyed, new Map());
    const attempts = attemptsOf(letters, keyed, before);
    // They are first in their queues, so that what waits there is they themselves.
    const free = { ...before, keys: [], streams: [] };
    const events = attempts.map((one) => one.keyed);
    const folded = foldEvents({ ...guard, view, before: free, continueOnError: true }, events);
    return { attempts, folded };
  } finally {
    mark.end();
  }
}

/** Folds the letters and writes what came of them. */
async function settle(
  context: WorkContext,
  options: Options,
  letters: readonly DueLetter[],
): Promise<void> {
  const { alone, cursor } = context;
  const { attempts, folded } = await alone(() => foldAgain(context, options, letters));
  const blocked = letters.filter((letter) => !attempts.some((one) => one.letter === letter));
  const settled = [...settledLetters(context, attempts, folded), ...blocked.map(settledLater)];
  const step = { toPosition: cursor.stored(), taken: folded.taken, letters: [], settled };
  await writeStep(context, step, folded.changes);
}

/** As `settle`; where the database refuses a document for its content, that letter alone fails. */
async function settleSafely(
  context: WorkContext,
  options: Options,
  letters: readonly DueLetter[],
): Promise<void> {
  try {
    await settle(context, options, letters);
  } catch (error) {
    const [letter] = letters;
    if (!isCode(error, "invalid-data") || letter === undefined) throw error;
    if (letters.length > 1) {
      // One each: what waits behind one that fails is not due any more when it is read again.
      return settleSafely(context, options, [letter]);
    }
    const attempt = letter.attempts + 1;
    const failed = {
      error,
      code: viewFailed,
      attempt,
      outcome: "put-aside",
      isRepeat: true,
    } as const;
    tellEvent(context, options.toPage(letter), failed);
    const settled = [{ id: letter.id, resolved: false, errorCode: error.code, dueInMs: null }];
    const step = { toPosition: context.cursor.stored(), taken: [], letters: [], settled };
    await writeStep(context, step, []);
  }
}

/** Tries the letters that are due. True if there may be more. */
export async function retryLetters(context: WorkContext, options: Options): Promise<boolean> {
  const { cursor, settings, pool } = context;
  const letters = await readDueLetters(pool, cursor, settings.batchSize);
  if (letters.length > 0) await settleSafely(context, options, letters);
  return letters.length > 0;
}
