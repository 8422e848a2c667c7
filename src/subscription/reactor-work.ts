/**
 * A reactor's work: a call for each event, at least once, one after the other in each stream and side
 * by side for different ones.
 *
 * The checkpoint follows the events that are done (`low-water.ts`), so that after a crash calls are
 * repeated, never left out. A receiver that is not there pauses the reactor: each call under way is
 * made again until it is (`calls.ts`). An event that fails by itself is put aside, and later ones of
 * its stream wait behind it.
 */
import { VarveError } from "#kernel/errors.ts";
import {
  behindDeadLetter,
  type DeadLetter,
  type DueLetter,
  readWaitingStreams,
} from "#store/dead-letters.ts";

import type { Handler } from "./call.ts";
import { type Calls, createCalls } from "./calls.ts";
import { createChains } from "./chains.ts";
import { classify } from "./failure.ts";
import { createLowWater, type Outcome } from "./low-water.ts";
import type { Page, PageEvent } from "./windows.ts";
import { createLetterRetry } from "./reactor-letters.ts";
import { nextAttemptMs, roomOf, tellEvent, type Work, type WorkContext } from "./work.ts";
import { createWriting } from "./writing.ts";

const letterOf = (
  { stored, stream }: PageEvent,
  rest: Pick<DeadLetter, "errorCode" | "attempts" | "dueInMs">,
): DeadLetter => ({
  kind: "stream",
  key: stream,
  stream,
  position: stored.position,
  eventId: stored.eventId,
  eventType: stored.type,
  ...rest,
});

/** How often a worker has ended while it worked on the event. */
const crashesOf = ({ cursor }: WorkContext, { stored }: PageEvent): number =>
  cursor.lease().suspects.find((one) => one.position === stored.position)?.crashes ?? 0;

/** What becomes of an event whose stream does not wait. */
async function outcomeOf(context: WorkContext, calls: Calls, page: PageEvent): Promise<Outcome> {
  const { settings } = context;
  const crashes = crashesOf(context, page);
  const isGivenUp = crashes > settings.retries;
  const attempt = isGivenUp ? crashes : crashes + 1;
  const crashed = new VarveError("handler-crashed", "the call has ended the worker repeatedly");
  const failure = await calls.call(page, {
    attempt,
    halts: !settings.continueOnError,
    isSuspect: crashes > 0,
    givenUp: isGivenUp ? { error: crashed, classified: classify(crashed) } : undefined,
  });
  if (failure === undefined) return { taken: true };
  const { error, classified } = failure;
  const dueInMs = nextAttemptMs(settings, classified, attempt);
  tellEvent(context, page, { error, attempt, outcome: dueInMs === null ? "put-aside" : "retried" });
  const letter = letterOf(page, { errorCode: classified.code, attempts: attempt, dueInMs });
  return { taken: false, letter };
}

/** What is known of streams whose events failed, and what becomes of those that follow. */
function createStreams(context: WorkContext, calls: Calls) {
  const { cursor, pool } = context;
  /** Streams with an event that failed, until the letters that say so are known to be settled. */
  const failing = new Set<string>();
  const behind = { errorCode: behindDeadLetter, attempts: 0, dueInMs: null };
  return {
    handle: async (page: PageEvent): Promise<Outcome> => {
      if (failing.has(page.stream)) return { taken: false, letter: letterOf(page, behind) };
      const outcome = await outcomeOf(context, calls, page);
      if (!outcome.taken) failing.add(page.stream);
      return outcome;
    },
    /** Asks which of the streams wait behind a letter, before the first of them is handed out. */
    ask: async (events: readonly PageEvent[]): Promise<void> => {
      if (events.length === 0 || !cursor.hasLetters()) return;
      const streams = [...new Set(events.map(({ stream }) => stream))];
      const waiting = await readWaitingStreams(pool, cursor.subscription, streams);
      for (const stream of waiting) failing.add(stream);
    },
    /** Whether more of it waits is asked with the next page. */
    forget: (stream: string): void => void failing.delete(stream),
  };
}

/** What ends beside the runner: it is nudged, and the next tick throws what went wrong. */
function createNews(nudge: () => void) {
  let failure: { readonly error: unknown } | undefined;
  let changed = Promise.withResolvers<void>();
  return {
    tell: (thrown?: unknown): void => {
      if (thrown !== undefined) failure ??= { error: thrown };
      changed.resolve();
      changed = Promise.withResolvers<void>();
      nudge();
    },
    hasFailed: (): boolean => failure !== undefined,
    rethrow: (): void => {
      const thrown = failure;
      failure = undefined;
      if (thrown !== undefined) throw thrown.error;
    },
    next: (): Promise<void> => changed.promise,
  };
}

/** Hands events out, in order; what is left when it throws is handed out the next time. */
function createBacklog(
  context: WorkContext,
  handOut: (page: PageEvent) => Promise<void>,
  { before, after }: { readonly before: () => Promise<void>; readonly after: () => Promise<void> },
) {
  let waiting: readonly PageEvent[] = [];
  /** An event that has ended workers is worked on alone, so that it alone is suspected again. */
  const isAlone = (page: PageEvent): boolean =>
    context.settings.checkpointStrategy === "every_event" || crashesOf(context, page) > 0;
  return {
    add: (events: readonly PageEvent[]): void => {
      waiting = [...waiting, ...events];
    },
    list: () => waiting,
    empty: async (): Promise<void> => {
      for (let page = waiting[0]; page !== undefined; page = waiting[0]) {
        if (isAlone(page)) await before();
        waiting = waiting.slice(1);
        const done = handOut(page);
        if (isAlone(page)) await done.then(after);
      }
    },
  };
}

type Parts = {
  readonly calls: Calls;
  readonly streams: ReturnType<typeof createStreams>;
  readonly news: ReturnType<typeof createNews>;
};

/** The events in hand, from being read to being written. */
function createHand(context: WorkContext, { calls, streams, news }: Parts) {
  const { cursor } = context;
  const roomMax = roomOf(context.settings);
  const lowWater = createLowWater(cursor.stored());
  const writing = createWriting(context, lowWater, roomMax);
  let readTo = cursor.stored();

  const chains = createChains<{ page: PageEvent; complete: (outcome: Outcome) => void }>(
    async ({ page, complete }) => {
      complete(await streams.handle(page));
      writing.complete();
    },
    // What is given back was not begun.
    (error) => news.tell(calls.isEnding() ? undefined : error),
  );
  const writeDue = async (): Promise<void> => {
    news.rethrow();
    if (writing.isDue()) await writing.flush();
  };
  const backlog = createBacklog(
    context,
    (page) => chains.add(page.stream, { page, complete: lowWater.add(page.stored.position) }),
    {
      // It may stop the reactor: what is done is written.
      before: async () => {
        await chains.settled();
        await writing.flush();
      },
      after: writeDue,
    },
  );

  return {
    roomMax,
    lowWater,
    writing,
    writeDue,
    settled: chains.settled,
    size: () => backlog.list().length + lowWater.size(),
    add: ({ events, reached }: Page): void => {
      backlog.add(events);
      readTo = reached;
    },
    tick: async (): Promise<void> => {
      await streams.ask(backlog.list());
      news.rethrow();
      await backlog.empty();
      lowWater.reach(readTo);
      await writeDue();
    },
    holds: (stream: string): boolean =>
      lowWater.holdsLetter(stream) ||
      chains.has(stream) ||
      backlog.list().some((page) => page.stream === stream),
  };
}

/** Makes the work of a reactor. `toPage` reads the event of a letter. */
export function createReactorWork(
  context: WorkContext,
  handle: Handler,
  toPage: (letter: DueLetter) => PageEvent,
): Work {
  const calls = createCalls(context, handle);
  const streams = createStreams(context, calls);
  const news = createNews(context.nudge);
  const hand = createHand(context, { calls, streams, news });
  const { lowWater, writing } = hand;
  const letters = createLetterRetry(context, {
    calls,
    toPage,
    onTried: (tried) => {
      for (const stream of tried) if (!hand.holds(stream)) streams.forget(stream);
    },
    onEnd: news.tell,
  });
  const isOver = (): boolean =>
    context.cursor.signal.aborted || calls.isEnding() || news.hasFailed();

  return {
    feed: async (page) => {
      hand.add(page);
      await hand.tick();
    },
    tick: hand.tick,
    tickMs: writing.dueInMs,
    inFlight: hand.size,
    room: async () => {
      while (lowWater.size() >= hand.roomMax && !isOver()) {
        if (lowWater.isDone()) await writing.flush();
        else await news.next();
      }
    },
    save: hand.writeDue,
    giveUp: () => {
      calls.end();
      news.tell();
    },
    retry: () => {
      letters.start();
      return Promise.resolve(false);
    },
    finish: async () => {
      await Promise.all([hand.settled(), letters.ended()]);
      await hand.writeDue();
      await writing.flush();
    },
  };
}
