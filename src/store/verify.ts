/**
 * Looks for whatever breaks an invariant of the log.
 *
 * What it promises. No finding where nothing is wrong, also while the service appends, projects and
 * makes partitions: each statement compares what it compares in one snapshot. Memory is bounded,
 * here and in the server: partitions are looked at one by one and streams page by page, in the order
 * of their indexes; what has to be looked at as a whole is aggregated. No lock is taken.
 *
 * What it relies on. That a commit becomes visible before the log lock is given on, so that every
 * snapshot sees the log up to some position and nothing behind it.
 *
 * How it fails. It throws what the pool throws. Rows that break an invariant are its result.
 *
 * What it does not do. It mends nothing, opens no sealed value, and does not read archived months:
 * of those it knows what the register says.
 */
import { type Invariant, invariants } from "./invariants.ts";
import type { Parameter, Pool, Row } from "./pool.ts";
import { queries } from "./statements.ts";

/** As many rows of one invariant as are given. */
const rowsMax = 100;
/** Streams of one statement: some 10 MB of events at most sizes, and below a second. */
const streamsOfPage = 20_000;

/** What was found of one invariant. */
export type Verdict = Pick<Invariant, "name" | "says" | "severity"> & {
  /** How many rows break it; 0 where it holds. */
  readonly broken: number;
  /** The first of them. */
  readonly rows: readonly unknown[];
};

export type VerifyOptions = {
  /** The pool's own, and nobody else's: by it the statement that runs is found and stopped. */
  readonly applicationName: string;
  /** Asked to stop, it stops the statement that runs, and throws. */
  readonly signal: AbortSignal;
  /** Hears of each step before it is done; `part` counts partitions and pages from 1. */
  readonly onStep?: (name: string, part: number) => void;
};

type Broken = Row & { readonly broken: unknown; readonly total: number };

/** The parameters of one statement after the other, by extent. */
const extents: Readonly<
  Record<Invariant["extent"], (pool: Pool) => AsyncIterable<readonly Parameter[]>>
> = { whole: once, partition: eachPartition, "stream-page": eachStreamPage };

async function* once(): AsyncIterable<readonly Parameter[]> {
  yield [];
}

async function* eachPartition(pool: Pool): AsyncIterable<readonly Parameter[]> {
  type Bounds = Row & { readonly lower_bound: string; readonly upper_bound: string };
  const partitions = await pool.query<Bounds>(queries.listAttachedPartitions, []);
  for (const { lower_bound: lower, upper_bound: upper } of partitions) yield [lower, upper];
}

/** Pages of one aggregate type end where a stream begins, so that none is cut. */
async function* eachStreamPage(pool: Pool): AsyncIterable<readonly Parameter[]> {
  type Type = Row & { readonly aggregate_type: string | null };
  let type: string | null = null;
  for (;;) {
    const [next]: readonly Type[] = await pool.query<Type>(queries.findAggregateType, [type]);
    type = next?.aggregate_type ?? null;
    if (type === null) return;
    let from: string | null = "";
    while (from !== null) {
      const until: string | null = await endOfPage(pool, type, from);
      yield [type, from, until];
      from = until;
    }
  }
}

async function endOfPage(pool: Pool, type: string, from: string): Promise<string | null> {
  const parameters = [type, from, streamsOfPage];
  const [end] = await pool.query<Row & { until: string }>(queries.findStreamPage, parameters);
  return end?.until ?? null;
}

/** The verdict on each invariant, in the order of the list. Needs a pool of two connections. */
export async function* verify(pool: Pool, options: VerifyOptions): AsyncIterable<Verdict> {
  const { applicationName, signal } = options;
  const stop = (): void => {
    // If it cannot be stopped, it ends by itself.
    void pool.query(queries.cancelStatements, [applicationName]).catch(() => undefined);
  };
  signal.addEventListener("abort", stop);
  try {
    for (const invariant of invariants) yield await judged(pool, invariant, options);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

async function judged(pool: Pool, invariant: Invariant, options: VerifyOptions): Promise<Verdict> {
  const { name, says, severity, extent, statement } = invariant;
  const rows: unknown[] = [];
  let [broken, part] = [0, 0];
  for await (const parameters of extents[extent](pool)) {
    options.signal.throwIfAborted();
    part += 1;
    options.onStep?.(name, part);
    const found = await pool.query<Broken>(statement, parameters);
    broken += found[0]?.total ?? 0;
    rows.push(...found.slice(0, rowsMax - rows.length).map((row) => row.broken));
  }
  return { name, says, severity, broken, rows };
}
