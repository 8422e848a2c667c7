import { loadAggregate } from "#command/load.ts";
import { benchAggregate } from "#ops/bench/aggregate.ts";
import { compare, interleave } from "#ops/bench/compare.ts";
import { fillLog } from "#ops/bench/fill.ts";
import { type LoadBench, withAppenders } from "#ops/bench/scenario.ts";
import { timeCalls } from "#ops/bench/timed.ts";

const EVENTS_PER_STREAM = 5;

export const streamOf = (size: number): string => `of-${size}`;

/** Fills this month with a stream of each size among ordinary ones. */
export const fillStreams = (
  { sizes, events, payloadSize, note }: LoadBench,
  url: string,
): Promise<void> =>
  fillLog(
    url,
    {
      months: 1,
      events,
      eventsPerStream: EVENTS_PER_STREAM,
      payloadSize,
      streams: sizes.map((size) => ({ id: streamOf(size), events: size, oldest: 0, newest: 0 })),
    },
    (filled) => note(`filled ${filled} events`),
  );

/** Loads of short and of long streams. */
export const sizes = (bench: LoadBench) =>
  withAppenders(bench, ["log"], async ({ log: { url, pool } }) => {
    const { rounds, durationMs, note } = bench;
    await fillStreams(bench, url);
    const names = bench.sizes.map(String);
    const measured = await interleave(
      (size: string) =>
        timeCalls(durationMs, () => loadAggregate(pool, benchAggregate, streamOf(Number(size)))),
      { names, rounds },
      (round) => note(`sizes: round ${round} of ${rounds}`),
    );
    const side = (size: string) => ({ name: `${size} events`, values: measured[size] ?? [] });
    const [shortest = "", ...longer] = names;
    return longer.map((size) =>
      compare({ scenario: "sizes", what: "ms a load", aim: null }, side(shortest), side(size)),
    );
  });
