/**
 * What an append costs: the group commit against two baselines, on the same server in the same run.
 *
 * `single` sends each append through the same function in a transaction of its own, over the same
 * pool. `ceiling` is what the server can do at all: one `insert … select` of as many streams and
 * events as a batch may hold, with the same columns, payload and indexes, each committed to disk.
 * Each round interleaves all of them, so that a noisy machine is noisy for each; the ratios are of the
 * medians over the rounds.
 */
import { uuidv7 } from "#kernel/ids.ts";
import { limits } from "#kernel/limits.ts";
import { appendBatch, type Append } from "#store/append.ts";
import { createGroupCommit } from "#store/group-commit.ts";
import type { Pool } from "#store/pool.ts";
import { queries } from "#store/statements.ts";

import { ascending, median, quantile } from "./statistics.ts";

export type Measured = {
  readonly perSecond: number;
  /** Of one append, from the call to its outcome. */
  readonly p50Ms: number;
  readonly p99Ms: number;
};

export type AppendBench = {
  readonly writers: number;
  readonly group: Measured;
  readonly single: Measured;
  readonly ceilingPerSecond: number;
  readonly groupToSingle: number;
  readonly groupToCeiling: number;
};

export type AppendBenchOptions = {
  readonly writers: readonly number[];
  readonly rounds: number;
  /** Of one measurement; a round has three for each number of writers. */
  readonly durationMs: number;
  /** Characters of the payload's filler. */
  readonly payloadSize: number;
};

function sample(payloadSize: number): Append {
  return {
    aggregateType: "Bench",
    aggregateId: uuidv7(),
    expectedVersion: 0,
    events: [
      {
        id: uuidv7(),
        type: "BenchAppended",
        schemaVersion: 1,
        timestamp: new Date().toISOString(),
        payload: { filler: "x".repeat(payloadSize) },
        metadata: { requestId: uuidv7() },
        subjectKeys: [],
      },
    ],
  };
}

/** Writers that each append again and again until the time is over. */
async function drive(
  writers: number,
  durationMs: number,
  append: () => Promise<unknown>,
): Promise<Measured> {
  const latencies: number[] = [];
  const startedAt = performance.now();
  const writer = async (): Promise<void> => {
    while (performance.now() - startedAt < durationMs) {
      const sentAt = performance.now();
      await append();
      latencies.push(performance.now() - sentAt);
    }
  };
  await Promise.all(Array.from({ length: writers }, writer));
  const elapsedMs = performance.now() - startedAt;
  const sorted = ascending(latencies);
  return {
    perSecond: (latencies.length / elapsedMs) * 1000,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
  };
}

async function ceilingRate(pool: Pool, options: AppendBenchOptions): Promise<number> {
  const startedAt = performance.now();
  let rows = 0;
  while (performance.now() - startedAt < options.durationMs) {
    await pool.query(queries.benchCeiling, [limits.batchAppends, options.payloadSize]);
    rows += limits.batchAppends;
  }
  return (rows / (performance.now() - startedAt)) * 1000;
}

const middle = (measured: readonly Measured[]): Measured => ({
  perSecond: median(measured.map(({ perSecond }) => perSecond)),
  p50Ms: median(measured.map(({ p50Ms }) => p50Ms)),
  p99Ms: median(measured.map(({ p99Ms }) => p99Ms)),
});

/**
 * Measures; the database should be one that may be thrown away, since its log grows. `onRound` is
 * called after each round with the share that is done, 0 to 1.
 */
export async function benchAppend(
  pool: Pool,
  options: AppendBenchOptions,
  onRound: (share: number) => void,
): Promise<readonly AppendBench[]> {
  const groupCommit = createGroupCommit(pool);
  const { durationMs, payloadSize, rounds } = options;
  const runs = options.writers.map((writers) => ({
    writers,
    group: [] as Measured[],
    single: [] as Measured[],
    ceiling: [] as number[],
  }));
  for (let round = 0; round < rounds; round += 1) {
    for (const run of runs) {
      run.group.push(
        await drive(run.writers, durationMs, () => groupCommit.append(sample(payloadSize))),
      );
      run.single.push(
        await drive(run.writers, durationMs, () =>
          appendBatch(pool, JSON.stringify([sample(payloadSize)])),
        ),
      );
      run.ceiling.push(await ceilingRate(pool, options));
    }
    onRound((round + 1) / rounds);
  }
  await groupCommit.drain();
  return runs.map((run) => {
    const group = middle(run.group);
    const single = middle(run.single);
    const ceilingPerSecond = median(run.ceiling);
    return {
      writers: run.writers,
      group,
      single,
      ceilingPerSecond,
      groupToSingle: group.perSecond / single.perSecond,
      groupToCeiling: group.perSecond / ceilingPerSecond,
    };
  });
}
