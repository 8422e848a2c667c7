import { limits } from "#kernel/limits.ts";
import { compare, type Comparison } from "#ops/bench/compare.ts";
import { type Appender, drive, type Load, type Measured, ratesOf } from "#ops/bench/drive.ts";
import {
  type AppendBench,
  driven,
  drivenOneByOne,
  measureInTurns,
  withAppenders,
} from "#ops/bench/scenario.ts";
import { queries } from "#store/statements.ts";

/** As many streams and events a statement as a batch may hold, with nothing checked. */
const ceiling =
  ({ pool }: Appender, payloadSize: number) =>
  async ({ durationMs }: Load): Promise<Measured> => {
    const parameters = [limits.batchAppends, payloadSize];
    const measured = await drive({ writers: 1, durationMs }, () =>
      pool.query(queries.benchCeiling, parameters),
    );
    return { ...measured, perSecond: measured.perSecond * limits.batchAppends };
  };

/**
 * The group commit against two baselines. _One by one_ sends each append in a transaction of its
 * own through the same function and pool. The _ceiling_ is what the server can do at all: the same
 * columns, payload and indexes, each statement committed to disk.
 */
export const baselines = (bench: AppendBench) =>
  withAppenders(bench, ["log"], async ({ log }) => {
    const shape = { events: 1, payloadSize: bench.payloadSize };
    const measured = await measureInTurns(bench, "baselines", {
      single: drivenOneByOne(log, shape),
      ceiling: ceiling(log, bench.payloadSize),
      group: driven(log, shape),
    });
    return measured.flatMap(({ writers, of: sides }): Comparison[] => {
      const against = (
        what: string,
        base: "single" | "ceiling",
        valuesOf: (measures: readonly Measured[]) => readonly number[],
      ): Comparison =>
        compare(
          { scenario: "baselines", what: `${what}, ${writers} writers`, aim: null },
          { name: base === "single" ? "one by one" : "ceiling", values: valuesOf(sides[base]) },
          { name: "group commit", values: valuesOf(sides.group) },
        );
      return [
        against("appends/s", "single", ratesOf),
        against("appends/s", "ceiling", ratesOf),
        against("p50 ms", "single", (measures) => measures.map(({ p50Ms }) => p50Ms)),
        against("p99 ms", "single", (measures) => measures.map(({ p99Ms }) => p99Ms)),
      ];
    });
  });
