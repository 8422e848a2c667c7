/**
 * How a page takes effect in a view: folded over what is stored, and written in one statement with
 * checkpoint, proof and dead letters.
 */
import type { View } from "#domain/decider.ts";
import { isCode } from "#kernel/errors.ts";
import { readDiscarded } from "#store/dead-letters.ts";
import type { DocumentChange } from "#store/documents.ts";
import type { Lease } from "#store/leases.ts";

import { classify } from "./failure.ts";
import { foldEvents, type Folded, keyedEvents, viewFailed } from "./fold.ts";
import { readBefore, writeStep } from "./view-documents.ts";
import type { PageEvent } from "./windows.ts";
import { Halt, nextAttemptMs, tellEvent, type WorkContext } from "./work.ts";

/** How often an event has ended a worker. */
const crashesIn =
  ({ suspects }: Lease) =>
  (at: number): number =>
    suspects.find(({ position }) => position === at)?.crashes ?? 0;

/** Without those that were given up in the version that serves: they never take effect. */
async function withoutDiscarded(
  { cursor, pool }: WorkContext,
  events: readonly PageEvent[],
): Promise<readonly PageEvent[]> {
  const [first, last] = [events.at(0), events.at(-1)];
  if (first === undefined || last === undefined || !cursor.lease().discardsAhead) return events;
  const range = { from: first.stored.position, to: last.stored.position };
  const discarded = await readDiscarded(pool, cursor, range);
  return events.filter(({ stored }) => !discarded.has(stored.position));
}

/** Folds the events over what is stored, and what is on its way there. */
export async function foldOver(
  context: WorkContext,
  view: View,
  page: readonly PageEvent[],
  sent: ReadonlyMap<string, DocumentChange> = new Map(),
) {
  const { alone, cursor, settings, marks } = context;
  const events = await withoutDiscarded(context, page);
  const crashesOf = crashesIn(cursor.lease());
  const isSuspect = events.some(({ stored }) => crashesOf(stored.position) > 0);
  const run: WorkContext["alone"] = isSuspect ? alone : (work) => work();
  const { continueOnError, retries } = settings;
  const mark = marks(cursor);
  const guard = { mark, crashesOf, retries };
  try {
    const { partitions } = cursor;
    const keyed = await run(async () => keyedEvents(view, events, { ...guard, partitions }));
    const before = await readBefore(context, keyed, sent);
    return await run(async () => foldEvents({ ...guard, view, before, continueOnError }, keyed));
  } finally {
    mark.end();
  }
}

/** Writes what became of the events up to a position; tells of those that failed. */
async function write(context: WorkContext, folded: Folded, toPosition: number): Promise<void> {
  const { settings } = context;
  const { changes, taken, failed } = folded;
  const letters = folded.letters.map((letter) => {
    const failure = failed.find(({ page }) => page.stored.position === letter.position);
    const dueInMs =
      failure === undefined ? null : nextAttemptMs(settings, failure, letter.attempts);
    return { ...letter, dueInMs };
  });
  await writeStep(context, { toPosition, taken, letters, settled: [] }, changes);
  for (const { page, error } of failed) {
    const letter = letters.find((one) => one.position === page.stored.position);
    const outcome = letter?.dueInMs ? "retried" : "put-aside";
    const attempt = letter?.attempts ?? 1;
    tellEvent(context, page, { error, code: viewFailed, attempt, outcome });
  }
}

/** Brings what became of events into effect. Throws Halt where it stopped in front of one. */
export async function bring(
  context: WorkContext,
  folded: Folded,
  toPosition: number,
): Promise<void> {
  const { stoppedAt } = folded;
  if (stoppedAt === undefined) return write(context, folded, toPosition);
  const before = stoppedAt.page.stored.position - 1;
  if (before > context.cursor.stored()) {
    await write(context, { ...folded, failed: [] }, before);
  }
  tellEvent(context, stoppedAt.page, {
    error: stoppedAt.error,
    code: viewFailed,
    attempt: context.condition.failures() + 1,
    outcome: "stopped",
    isRepeat: context.condition.failures() > 0,
  });
  throw new Halt(stoppedAt, stoppedAt.error);
}

/** Brings events up to a position into effect. Throws as `bring`. */
const apply = async (
  context: WorkContext,
  view: View,
  events: readonly PageEvent[],
  toPosition: number,
): Promise<void> => bring(context, await foldOver(context, view, events), toPosition);

/** An event whose effect the database refuses for its content is put aside like one that throws. */
async function applyRefused(
  context: WorkContext,
  view: View,
  page: PageEvent,
  error: unknown,
): Promise<void> {
  const { position, eventId, type: eventType } = page.stored;
  const classified = classify(error, viewFailed);
  if (!context.settings.continueOnError) throw new Halt(classified, error);
  const read = page.read();
  // What is refused is its document, or that of nothing.
  const key = read.ok ? view.key(read.value) : null;
  const at =
    key === null
      ? ({ kind: "stream", key: page.stream } as const)
      : ({ kind: "document", key } as const);
  const event = { stream: page.stream, position, eventId, eventType };
  const letter = { ...at, ...event, errorCode: classified.code, attempts: 1 };
  const failed = [{ ...classified, page, error }];
  const folded = { changes: [], taken: [], letters: [letter], failed, stoppedAt: undefined };
  await write(context, folded, position);
}

/** Those that have not taken effect: some of a page may have, before it failed. */
export const pendingOf = (
  { cursor }: WorkContext,
  events: readonly PageEvent[],
): readonly PageEvent[] => events.filter(({ stored }) => stored.position > cursor.stored());

/**
 * Brings events up to a position into effect. One bad document fails a whole statement: then its
 * events are halved until it is alone. Throws as `bring`.
 */
export async function applySafely(
  context: WorkContext,
  view: View,
  events: readonly PageEvent[],
  toPosition: number,
): Promise<void> {
  try {
    await apply(context, view, events, toPosition);
  } catch (error) {
    const [event] = events;
    if (!isCode(error, "invalid-data") || event === undefined) throw error;
    if (events.length === 1) {
      await applyRefused(context, view, event, error);
      if (toPosition > context.cursor.stored()) await apply(context, view, [], toPosition);
      return;
    }
    const first = events.slice(0, events.length >> 1);
    await applySafely(context, view, first, first.at(-1)?.stored.position ?? 0);
    await applySafely(context, view, events.slice(first.length), toPosition);
  }
}
