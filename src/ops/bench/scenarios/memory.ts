import { startChild } from "#ops/bench/child.ts";
import { compare, interleave } from "#ops/bench/compare.ts";
import { fillLog } from "#ops/bench/fill.ts";
import type { LoadBench } from "#ops/bench/scenario.ts";

const MIB = 1_024 * 1_024;

/**
 * How large a process gets while it loads a stream without a snapshot, each time a new process:
 * memory that was once taken is not given back, and would hide what the next load takes.
 */
export const memory = (bench: LoadBench) =>
  bench.server.withDatabases(["log"], async ({ log }) => {
    const { rounds, payloadSize, note } = bench;
    const streamOf = (events: number) => ({ id: `of-${events}`, events });
    const streams = bench.sizes.map((size) => ({ ...streamOf(size), oldest: 0, newest: 0 }));
    const fill = { months: 1, events: 1, eventsPerStream: 1, payloadSize, streams };
    await fillLog(log, fill, (filled) => note(`memory: filled ${filled} events`));
    const peak = async (size: string): Promise<number> => {
      const stream = streamOf(Number(size));
      const child = startChild({ kind: "peak", stream, pool: bench.poolOptions(log) });
      try {
        return (await child.measure()) / MIB;
      } finally {
        await child.close();
      }
    };
    const sizes = bench.sizes.map(String);
    const measured = await interleave(peak, { names: sizes, rounds }, (round) =>
      note(`memory: round ${round} of ${rounds}`),
    );
    const side = (size: string) => ({ name: `${size} events`, values: measured[size] ?? [] });
    const [shortest = "", ...longer] = sizes;
    return longer.map((size) =>
      compare(
        { scenario: "memory", what: "MiB resident at most during a load", aim: null },
        side(shortest),
        side(size),
      ),
    );
  });
