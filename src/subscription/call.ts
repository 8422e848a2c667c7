import type { RecordedEvent } from "#domain/decider.ts";
import type { Reactor } from "#domain/subscription.ts";
import { sleep } from "#kernel/clock.ts";
import { VarveError } from "#kernel/errors.ts";

import type { Cursor } from "./cursor.ts";
import type { Mark } from "./marks.ts";

/** What a reactor does, as the runtime calls it. */
export type Handler = (
  event: RecordedEvent,
  call: { readonly id: string; readonly attempt: number; readonly signal: AbortSignal },
) => Promise<void>;

/** A declared reactor as a handler, with the variables of the environment that it names. */
export const handlerOf =
  ({ handle }: Reactor, variables: Readonly<Record<string, string>>): Handler =>
  async (event, call) =>
    handle(event, { ...call, fetch: (url, init) => fetch(url, init), variables });

/** Subscription and position: the same for every repeat, whichever process makes it. */
export const callId = (subscription: string, position: number): string =>
  `${subscription}:${position}`;

/** For a call that was told to end to say what it waited for. */
const GRACE_MS = 50;

type Options = {
  readonly cursor: Cursor;
  readonly attempt: number;
  readonly timeoutMs: number;
  readonly mark: Mark;
};

/**
 * Calls the handler for an event. Throws what it throws, `handler-timeout` where it takes too long,
 * and `lease-lost` where the lease went to another process meanwhile: whatever it did counts for
 * nothing then, and is done again.
 */
export async function callHandler(
  handle: Handler,
  event: RecordedEvent,
  { cursor, attempt, timeoutMs, mark }: Options,
): Promise<void> {
  const { subscription, partition } = cursor;
  const ending = new AbortController();
  const signal = AbortSignal.any([cursor.signal, ending.signal]);
  const id = callId(subscription, event.position);
  const late = async (): Promise<never> => {
    await sleep(timeoutMs, signal);
    if (cursor.signal.aborted) {
      throw new VarveError("lease-lost", "the lease was lost during a call", { subscription });
    }
    // Told to end, it may know better what was in its way than that it took too long.
    ending.abort();
    await sleep(GRACE_MS);
    const where = { subscription, partition, position: event.position };
    throw new VarveError("handler-timeout", "a reactor's call took too long", where);
  };
  mark.at(event.position);
  try {
    // A handler that throws before its first await is as good as one that rejects.
    const work = (async () => handle(event, { id, attempt, signal }))();
    const given = late();
    given.catch(() => undefined);
    work.catch(() => undefined);
    await Promise.race([work, given]);
  } finally {
    ending.abort();
    mark.at(0);
  }
}
