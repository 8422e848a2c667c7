import { type Child, startChild } from "#ops/bench/child.ts";
import { compare, type Comparison, interleave } from "#ops/bench/compare.ts";
import type { Measured } from "#ops/bench/drive.ts";
import type { AppendBench } from "#ops/bench/scenario.ts";

const PROCESSES = 4;

const totalRate = async (children: readonly Child<Measured>[]): Promise<number> => {
  const measured = await Promise.all(children.map(({ measure }) => measure()));
  return measured.reduce((sum, { perSecond }) => sum + perSecond, 0);
};

/** Four processes at once against one with as many writers as they have together. */
export const processes = (bench: AppendBench): Promise<readonly Comparison[]> =>
  bench.server.withDatabases(["log"], async ({ log: url }) => {
    const { rounds, durationMs, payloadSize } = bench;
    const comparisons: Comparison[] = [];
    for (const writers of bench.writers) {
      const start = (share: number): Child<Measured> =>
        startChild({
          kind: "drive",
          pool: bench.poolOptions(url),
          load: { writers: share, durationMs },
          shape: { events: 1, payloadSize },
        });
      const each = Math.ceil(writers / PROCESSES);
      const one = [start(each * PROCESSES)];
      const four = Array.from({ length: PROCESSES }, () => start(each));
      try {
        const measured = await interleave(
          (side: "one" | "four") => totalRate(side === "one" ? one : four),
          { names: ["one", "four"], rounds },
          (round) => bench.note(`processes, ${writers} writers: round ${round} of ${rounds}`),
        );
        comparisons.push(
          compare(
            {
              scenario: "processes",
              what: `appends/s, ${each * PROCESSES} writers`,
              aim: { atLeast: 0.9 },
            },
            { name: "1 process", values: measured.one },
            { name: `${PROCESSES} processes`, values: measured.four },
          ),
        );
      } finally {
        await Promise.all([...one, ...four].map(({ close }) => close()));
      }
    }
    return comparisons;
  });
