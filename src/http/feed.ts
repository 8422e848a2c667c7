/**
 * A live feed of the log as server-sent events (HTML standard, section 9.2).
 *
 * What it promises: every event after the start, once and in order, each with its position as the
 * id to resume from. A beat comes whenever `beatMs` have passed in silence and moves that id on, so
 * that a reader of rare types does not search the same part of the log twice. Nothing is read before
 * the reader has taken what came before: a feed holds one page. A reader that takes nothing for
 * `beatMs` is cut off, and so is, with the next text, one whose key no longer holds the scope.
 *
 * What it relies on: a server that pulls the stream only while the connection takes data.
 *
 * How it fails: while the database fails, the feed beats on and resumes. Whatever else ends it is
 * said in a last comment; coming again with `Last-Event-ID` goes on, or gets the problem itself.
 *
 * What it does not do: hold a connection to the database between pages, or keep a place for a
 * reader that went away.
 */
import { monotonicMs, sleep } from "#kernel/clock.ts";
import { VarveError } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";
import { accept, refuse, type Result } from "#kernel/result.ts";
import type { LogAnswer, LogReader, LogRequest } from "#query/log.ts";

export type FeedOptions = {
  readonly log: LogReader;
  readonly request: LogRequest;
  /** Read already: what is wrong with a request is answered before there is a feed. */
  readonly first: LogAnswer;
  readonly beatMs: number;
  /** Whether the caller still holds the scope. */
  readonly mayStill: () => Promise<boolean>;
  /** Fires when the process lets feeds go. */
  readonly closing: AbortSignal;
  /** Tells the operator; gives the code for the reader. */
  readonly onFailure: (error: unknown) => string;
  /** Called once: the reader is gone, or gets no more than a last comment. */
  readonly onEnd: (reason: string) => void;
};

/** A reader that lost its feed comes again after this, sooner than a person notices. */
const RETRY_MS = 1_000;

const idLine = (position: number): string => `id: ${position}\n`;

/** Its last id is as far as the page has looked: an id without data moves a reader on silently. */
function pageText({ items, nextAfter }: LogAnswer): string {
  const events = items.map((item) => `${idLine(item.position)}data: ${JSON.stringify(item)}\n\n`);
  return events.join("") + (items.at(-1)?.position === nextAfter ? "" : `${idLine(nextAfter)}\n`);
}

/** What the work gives within the time, which is undefined if the time or the signal came first. */
async function within<Value>(
  work: Promise<Value>,
  durationMs: number,
  signal: AbortSignal,
): Promise<Value | undefined> {
  const timer = new AbortController();
  const stop = (): void => timer.abort();
  signal.addEventListener("abort", stop);
  const late = sleep(durationMs, timer.signal).then(() => undefined);
  // What it throws once nobody waits for it any more is of no interest.
  work.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    stop();
    signal.removeEventListener("abort", stop);
  }
}

const isPassing = (error: unknown): boolean => error instanceof VarveError && error.retryable;

/** What the feed says next, or why it says nothing more. The texts are asked for one by one. */
function createTexts(options: FeedOptions, ended: AbortSignal) {
  const { log, request, first, beatMs, mayStill, onFailure } = options;
  let position = first.nextAfter;
  let opening = `retry: ${RETRY_MS}\n${pageText(first)}`;
  let looking: Promise<LogAnswer | "forbidden"> | undefined;

  const look = async (): Promise<LogAnswer | "forbidden"> =>
    (await mayStill()) ? log.follow({ ...request, after: position }) : "forbidden";

  return async (): Promise<Result<string, string>> => {
    if (opening !== "") {
      const text = opening;
      opening = "";
      return accept(text);
    }
    const beatAtMs = monotonicMs() + beatMs;
    while (!ended.aborted) {
      const leftMs = beatAtMs - monotonicMs();
      if (leftMs <= 0) return accept(`: beat\n${idLine(position)}\n`);
      try {
        // A look that takes longer than a beat goes on under the next one.
        looking ??= look();
        const page = await within(looking, leftMs, ended);
        if (page === undefined) continue;
        looking = undefined;
        if (page === "forbidden") return refuse(page);
        position = page.nextAfter;
        if (page.items.length > 0) return accept(pageText(page));
        const restMs = Math.max(0, beatAtMs - monotonicMs());
        if (position >= page.head) await log.growth(position, restMs, ended);
      } catch (error) {
        looking = undefined;
        if (!isPassing(error)) return refuse(onFailure(error));
        await sleep(limits.outageBackoffMsMax, ended);
      }
    }
    return refuse("ended");
  };
}

/** Opens the feed. Its stream neither fails nor reads ahead. */
export function openFeed(options: FeedOptions): ReadableStream<Uint8Array> {
  const { beatMs, closing, onEnd } = options;
  const ended = new AbortController();
  const nextText = createTexts(options, ended.signal);
  const encoder = new TextEncoder();
  let patience: ReturnType<typeof setTimeout> | undefined;
  let say: (text: string) => void;
  let close: () => void;

  const end = (reason: string, isGone = false): void => {
    if (ended.signal.aborted) return;
    ended.abort();
    clearTimeout(patience);
    closing.removeEventListener("abort", letGo);
    if (!isGone) {
      say(`: ${reason}\n\n`);
      close();
    }
    onEnd(reason);
  };
  const letGo = (): void => end("shutting-down");
  const wait = (): void => {
    patience = setTimeout(() => end("too-slow"), beatMs);
  };

  return new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        say = (text) => controller.enqueue(encoder.encode(text));
        close = () => controller.close();
        wait();
        closing.addEventListener("abort", letGo);
        if (closing.aborted) letGo();
      },
      pull: async () => {
        clearTimeout(patience);
        const next = await nextText();
        if (!next.ok) return end(next.error);
        if (ended.signal.aborted) return undefined;
        say(next.value);
        return wait();
      },
      cancel: () => end("gone", true),
    },
    // Nothing is made before it is asked for.
    { highWaterMark: 0 },
  );
}
