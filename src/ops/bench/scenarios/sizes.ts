import { loadStream, snapshotAt } from "#ops/bench/aggregate.ts";
import { type Aim, compare, interleave } from "#ops/bench/compare.ts";
import { fillLog } from "#ops/bench/fill.ts";
import { type LoadBench, withAppenders } from "#ops/bench/scenario.ts";
import { timeCalls } from "#ops/bench/timed.ts";

const EVENTS_PER_STREAM = 5;
/** With the default threshold of 100, a stream has 0 to 99 events after its snapshot. */
const AFTER_USUALLY = 50;
const AFTER_AT_WORST = 99;

type Side = {
  readonly name: string;
  readonly id: string;
  readonly events: number;
  /** Events after the snapshot; absent without one. */
  readonly after?: number;
  readonly aim: Aim | null;
};

/** The shortest stream without a snapshot, against which the others are held, and those. */
function sidesOf({ sizes }: LoadBench): readonly [Side, ...Side[]] {
  const [shortest = 1] = sizes;
  const longest = sizes.at(-1) ?? shortest;
  const replayed = (events: number): Side => ({
    name: `${events} events replayed`,
    id: `replayed-${events}`,
    events,
    aim: null,
  });
  const snapshotted = (events: number, after: number, aim: Aim | null): Side => ({
    name: `${events} events, ${after} after the snapshot`,
    id: `snapshotted-${events}-${after}`,
    events,
    after,
    aim,
  });
  const afterOf = (events: number, after: number): number =>
    Math.min(after, Math.floor(events / 2));
  return [
    replayed(shortest),
    ...sizes.slice(1).map(replayed),
    ...sizes.map((events) =>
      snapshotted(
        events,
        afterOf(events, AFTER_USUALLY),
        events === longest ? { atMost: 2 } : null,
      ),
    ),
    snapshotted(longest, 0, null),
    snapshotted(longest, afterOf(longest, AFTER_AT_WORST), null),
  ];
}

/** Loads of short and of long streams, with and without snapshots. */
export const sizes = (bench: LoadBench) =>
  withAppenders(bench, ["log"], async ({ log: { url, pool } }) => {
    const { rounds, durationMs, events, payloadSize, note } = bench;
    const sides = sidesOf(bench);
    const streams = sides.map((side) => ({ ...side, oldest: 0, newest: 0 }));
    const fill = { months: 1, events, eventsPerStream: EVENTS_PER_STREAM, payloadSize, streams };
    await fillLog(url, fill, (filled) => note(`sizes: filled ${filled} events`));
    for (const { id, events: length, after } of sides) {
      if (after !== undefined) await snapshotAt(pool, id, length - after);
    }
    const loads = new Map(
      sides.map(({ name, id, events: length, after }) => {
        const from = after === undefined ? "start" : "snapshot";
        return [name, () => loadStream(pool, { id, events: length, from })];
      }),
    );
    const measured = await interleave(
      (name: string) => timeCalls(durationMs, async () => loads.get(name)?.()),
      { names: [...loads.keys()], rounds },
      (round) => note(`sizes: round ${round} of ${rounds}`),
    );
    const [base, ...others] = sides.map(({ name, aim }) => ({
      name,
      aim,
      values: measured[name] ?? [],
    }));
    return others.map((other) =>
      compare({ scenario: "sizes", what: "ms a load", aim: other.aim }, base ?? other, other),
    );
  });
