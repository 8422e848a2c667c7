import { sleep } from "#kernel/clock.ts";
import { uuidv7 } from "#kernel/ids.ts";
import type { Append, AppendOutcome } from "#store/append.ts";
import { createGroupCommit } from "#store/group-commit.ts";
import { openPool, type Pool, type PoolOptions } from "#store/pool.ts";

import { ascending, quantile } from "./statistics.ts";

export type Measured = {
  readonly perSecond: number;
  /** Of one append, from the call to its outcome. */
  readonly p50Ms: number;
  readonly p99Ms: number;
};

/** What a writer appends: so many events, each with a payload of so many characters. */
export type Shape = { readonly events: number; readonly payloadSize: number };

const fillers = new Map<number, readonly string[]>();
/** Enough that a batch does not repeat itself much, few enough to be made in milliseconds. */
const FILLERS = 64;

/** Text that does not compress: a server would store sixteen thousand equal letters in two hundred. */
function fillerOf(size: number): string {
  let made = fillers.get(size);
  if (made === undefined) {
    const one = (): string => {
      const bytes = new Uint8Array(Math.ceil((size * 3) / 4));
      for (let at = 0; at < bytes.length; at += 65_536) {
        crypto.getRandomValues(bytes.subarray(at, at + 65_536));
      }
      return bytes.toBase64().slice(0, size);
    };
    made = Array.from({ length: FILLERS }, one);
    fillers.set(size, made);
  }
  return made[Math.floor(Math.random() * FILLERS)] ?? "";
}

/** An append to a new stream. */
export const newAppend = ({ events, payloadSize }: Shape): Append => ({
  aggregateType: "Bench",
  aggregateId: uuidv7(),
  expectedVersion: 0,
  events: Array.from({ length: events }, () => ({
    id: uuidv7(),
    type: "BenchAppended",
    schemaVersion: 1,
    timestamp: new Date().toISOString(),
    payload: { filler: fillerOf(payloadSize) },
    metadata: { requestId: uuidv7() },
    subjectKeys: [],
  })),
});

/** What one process appends with. */
export type Appender = {
  readonly url: string;
  readonly pool: Pool;
  readonly append: (append: Append) => Promise<AppendOutcome>;
  readonly close: () => Promise<void>;
};

/** A pool and a group commit, as a service has them. */
export function openAppender(options: PoolOptions): Appender {
  const pool = openPool(options);
  const groupCommit = createGroupCommit(pool);
  return {
    url: options.url,
    pool,
    append: groupCommit.append,
    close: async () => {
      await groupCommit.drain();
      await pool.close(1_000);
    },
  };
}

export type Load = {
  readonly writers: number;
  readonly durationMs: number;
  /** Appends of all writers after which it is over as well. */
  readonly appendsMax?: number;
  /** Between a writer's appends; none for as fast as it goes. */
  readonly pauseMs?: number;
};

/** Writers that each append again and again until the time is over, or the number is reached. */
export async function drive(load: Load, append: () => Promise<unknown>): Promise<Measured> {
  const { appendsMax = Number.POSITIVE_INFINITY } = load;
  const latencies: number[] = [];
  const startedAt = performance.now();
  let begun = 0;
  const writer = async (): Promise<void> => {
    while (performance.now() - startedAt < load.durationMs && begun < appendsMax) {
      begun += 1;
      const sentAt = performance.now();
      await append();
      latencies.push(performance.now() - sentAt);
      if (load.pauseMs !== undefined) await sleep(load.pauseMs);
    }
  };
  await Promise.all(Array.from({ length: load.writers }, writer));
  const elapsedMs = performance.now() - startedAt;
  const sorted = ascending(latencies);
  return {
    perSecond: (latencies.length / elapsedMs) * 1000,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
  };
}

export const ratesOf = (measured: readonly Measured[]): readonly number[] =>
  measured.map(({ perSecond }) => perSecond);
