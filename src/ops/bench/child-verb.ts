import { defineVerb } from "#ops/cli-arguments.ts";
import { writeLine } from "#ops/output.ts";

import { loadStream } from "./aggregate.ts";
import type { ChildRequest, LoadedStream } from "./child.ts";
import { type Appender, drive, newAppend, openAppender } from "./drive.ts";
import { madeUpOrders, openOrderCommands } from "./orders.ts";
import { atRate } from "./rate.ts";

/** A load of a hundred thousand events takes seconds; its peak lasts longer than this. */
const LOOK_MS = 5;

/** The bytes that the process has resident at most while it loads the stream. */
async function peakOf({ pool }: Appender, stream: LoadedStream): Promise<number> {
  let peak = 0;
  const look = (): void => {
    peak = Math.max(peak, process.memoryUsage.rss());
  };
  const looking = setInterval(look, LOOK_MS);
  await loadStream(pool, { ...stream, from: "start" });
  look();
  clearInterval(looking);
  return peak;
}

type Task = { readonly answer: () => Promise<unknown>; readonly close: () => Promise<void> };

/** What the request asks for, ready to be done. */
async function open(request: ChildRequest): Promise<Task> {
  if (request.kind === "commands") {
    const { perSecond, pool, keys } = request;
    const { send, close } = await openOrderCommands(pool, keys);
    const answer = async (): Promise<number> => {
      const orders = madeUpOrders(perSecond);
      await atRate(
        perSecond,
        orders.map((order) => () => send(order)),
      );
      return perSecond;
    };
    return { answer, close };
  }
  const appender = openAppender(request.pool);
  const answer = (): Promise<unknown> =>
    request.kind === "peak"
      ? peakOf(appender, request.stream)
      : drive(request.load, () => appender.append(newAppend(request.shape)));
  return { answer, close: appender.close };
}

/**
 * One process of a measurement that needs several. It reads lines of JSON: the first says what it
 * is to do, and each further one makes it do that once and answer with a line. It ends with its
 * input, so that it never outlives whoever started it.
 */
export const childVerb = defineVerb({
  name: "child",
  description: "One process of a measurement",
  hidden: true,
  run: async (): Promise<void> => {
    const lines = console[Symbol.asyncIterator]();
    const first = await lines.next();
    if (first.done === true) return;
    const { answer, close } = await open(JSON.parse(first.value) as ChildRequest);
    for (;;) {
      const line = await lines.next();
      if (line.done === true) break;
      writeLine(JSON.stringify(await answer()));
    }
    await close();
  },
});
