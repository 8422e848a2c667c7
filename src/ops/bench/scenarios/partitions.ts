import { invariant } from "#kernel/errors.ts";
import { limits } from "#kernel/limits.ts";
import { loadStream, snapshotAt } from "#ops/bench/aggregate.ts";
import { type Aim, compare, type Comparison, interleave } from "#ops/bench/compare.ts";
import { type Fill, fillLog } from "#ops/bench/fill.ts";
import { type LoadBench, withAppenders } from "#ops/bench/scenario.ts";
import { timeCalls } from "#ops/bench/timed.ts";
import { readAfter } from "#store/events.ts";
import type { Pool } from "#store/pool.ts";

const EVENTS_PER_STREAM = 5;
/** Of each stream that is loaded. */
const STREAM_EVENTS = 100;
const STREAMS = 4;
/** Above this version, whatever the number of months, lies the newest month's share alone. */
const SNAPSHOT_AT = 99;

/** The same events over that many months, and among them the same streams. */
const fillOf = ({ events, payloadSize }: LoadBench, months: number): Fill => ({
  months,
  events,
  eventsPerStream: EVENTS_PER_STREAM,
  payloadSize,
  streams: [
    { id: "oldest-month", events: STREAM_EVENTS, oldest: months - 1, newest: months - 1 },
    { id: "newest-month", events: STREAM_EVENTS, oldest: 0, newest: 0 },
    { id: "all-months", events: STREAM_EVENTS, oldest: months - 1, newest: 0 },
    { id: "snapshotted", events: STREAM_EVENTS, oldest: months - 1, newest: 0 },
  ],
});

const load =
  (id: string, from: "snapshot" | "start" = "start") =>
  (pool: Pool) =>
    loadStream(pool, { id, events: STREAM_EVENTS, from });
const page = (share: number) => (pool: Pool, head: number) =>
  readAfter(pool, Math.floor(share * Math.max(0, head - limits.readEvents)), limits.readEvents);

async function readAll(pool: Pool): Promise<void> {
  let [after, given] = [0, 0];
  do {
    given = (await readAfter(pool, after, limits.readEvents)).length;
    after += given;
  } while (given === limits.readEvents);
}

type Measure = {
  readonly what: string;
  readonly aim: Aim | null;
  /** `head` is the last position of the log. */
  readonly call: (pool: Pool, head: number) => Promise<unknown>;
};

const aim = { atMost: 1.3 };
const measures: readonly Measure[] = [
  { what: "ms a load, stream in the oldest month", aim, call: load("oldest-month") },
  { what: "ms a load, stream in the newest month", aim, call: load("newest-month") },
  // It has events in every partition and can leave none out: shown, and not judged.
  { what: "ms a load, stream over all months", aim: null, call: load("all-months") },
  {
    what: "ms a load, stream over all months with a snapshot",
    aim,
    call: load("snapshotted", "snapshot"),
  },
  { what: "ms a page of the log, at the start", aim, call: page(0) },
  { what: "ms a page of the log, in the middle", aim, call: page(0.5) },
  { what: "ms a page of the log, at the end", aim, call: page(1) },
  {
    what: "ms a look past the end of the log",
    aim,
    call: (pool, head) => readAfter(pool, head, limits.readEvents),
  },
  { what: "ms for the whole log", aim, call: readAll },
];

/** Loads and reads of the same streams and events in few and in many monthly partitions. */
export const partitions = (bench: LoadBench) => {
  const names = bench.months.map((months) => `${months} partitions`);
  return withAppenders(bench, names, async (logs) => {
    const { rounds, durationMs, events, note } = bench;
    for (const [name, { url, pool }] of Object.entries(logs)) {
      await fillLog(url, fillOf(bench, Number.parseInt(name, 10)), (filled) =>
        note(`${name}: filled ${filled} of ${events}`),
      );
      await snapshotAt(pool, "snapshotted", SNAPSHOT_AT);
    }
    const head = events + STREAMS * STREAM_EVENTS;
    const comparisons: Comparison[] = [];
    for (const measure of measures) {
      const measured = await interleave(
        (name: string) => {
          const log = logs[name];
          invariant(log !== undefined, "a side has a database");
          return timeCalls(durationMs, () => measure.call(log.pool, head));
        },
        { names, rounds },
        (round) => note(`${measure.what}: round ${round} of ${rounds}`),
      );
      const side = (name: string) => ({ name, values: measured[name] ?? [] });
      const [fewest = "", ...more] = names;
      const of = { scenario: "partitions", what: measure.what, aim: measure.aim };
      comparisons.push(...more.map((name) => compare(of, side(fewest), side(name))));
    }
    return comparisons;
  });
};
