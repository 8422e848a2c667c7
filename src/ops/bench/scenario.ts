import { appendBatch } from "#store/append.ts";
import type { PoolOptions } from "#store/pool.ts";
import type { SettingDefaults } from "#subscription/settings.ts";

import { type Comparison, interleave } from "./compare.ts";
import {
  type Appender,
  drive,
  type Load,
  type Measured,
  newAppend,
  openAppender,
  type Shape,
} from "./drive.ts";
import type { ScratchServer } from "./scratch-server.ts";

/** What a scenario is given. */
export type Bench = {
  readonly server: ScratchServer;
  /** Options of a pool as a service would open it. */
  readonly poolOptions: (url: string) => PoolOptions;
  readonly rounds: number;
  /** Of one measurement. */
  readonly durationMs: number;
  /** Says on stderr how far it is. */
  readonly note: (line: string) => void;
};

/** Characters of an ordinary payload's filler. */
type Payloads = { readonly payloadSize: number };

export type AppendBench = Bench &
  Payloads & {
    /** Concurrent writers; a comparison is made for each number. */
    readonly writers: readonly number[];
    /** Events of the log that is not empty. */
    readonly stored: number;
    /** Transactions that have gone by under a held snapshot before it is measured what it costs. */
    readonly age: number;
  };

export type LoadBench = Bench &
  Payloads & {
    /** Events of the streams that are loaded, the shortest first. */
    readonly sizes: readonly number[];
    /** Numbers of monthly partitions, the smallest first. */
    readonly months: readonly number[];
    /** Events that lie around them. */
    readonly events: number;
  };

export type ProjectBench = Bench & {
  /** Invoices as CSV; undefined: orders are made up. */
  readonly file: string | undefined;
  /** Events of made-up orders. */
  readonly events: number;
  /** Commands a second, where there are some meanwhile. */
  readonly perSecond: number;
  readonly settings: SettingDefaults;
};

export type Scenario<Of extends Bench> = (bench: Of) => Promise<readonly Comparison[]>;

/** Runs the work with a new database for each name, and what one process appends to it with. */
export function withAppenders<Name extends string, Value>(
  bench: Bench,
  names: readonly Name[],
  work: (appenders: Readonly<Record<Name, Appender>>) => Promise<Value>,
): Promise<Value> {
  return bench.server.withDatabases(names, async (urls) => {
    const opened = names.map((name) => openAppender(bench.poolOptions(urls[name])));
    const appenders = Object.fromEntries(names.map((name, at) => [name, opened[at]]));
    try {
      return await work(appenders as Record<Name, Appender>);
    } finally {
      await Promise.all(opened.map(({ close }) => close()));
    }
  });
}

/** Appends of that shape, as fast as the writers go. */
export const driven =
  ({ append }: Appender, shape: Shape) =>
  (load: Load): Promise<Measured> =>
    drive(load, () => append(newAppend(shape)));

/** The same, each in a transaction of its own through the same function and pool. */
export const drivenOneByOne =
  ({ pool }: Appender, shape: Shape) =>
  (load: Load): Promise<Measured> =>
    drive(load, () => appendBatch(pool, JSON.stringify([newAppend(shape)]), Date.now));

/** The sides in turns, for each number of writers. */
export async function measureInTurns<Name extends string>(
  bench: AppendBench,
  scenario: string,
  sides: Readonly<Record<Name, (load: Load) => Promise<Measured>>>,
) {
  const { rounds, durationMs } = bench;
  const all: { writers: number; of: Readonly<Record<Name, readonly Measured[]>> }[] = [];
  for (const writers of bench.writers) {
    const of = await interleave(
      (name: Name) => sides[name]({ writers, durationMs }),
      { names: Object.keys(sides) as Name[], rounds },
      (round) => bench.note(`${scenario}, ${writers} writers: round ${round} of ${rounds}`),
    );
    all.push({ writers, of });
  }
  return all;
}
