import { invariant } from "#kernel/errors.ts";
import { type Pool, openPool } from "#store/pool.ts";
import { queries } from "#store/statements.ts";

/** A stream of a filled log, its events spread evenly over a span of months. */
export type FilledStream = {
  readonly id: string;
  readonly events: number;
  /** Months ago of the first and of the last event; 0 is this month. */
  readonly oldest: number;
  readonly newest: number;
};

export type Fill = {
  /** This one included, the others before it. */
  readonly months: number;
  /** Of ordinary streams, over all months. */
  readonly events: number;
  /** Events of each ordinary stream, all within its month. */
  readonly eventsPerStream: number;
  /** Characters of a payload's filler. */
  readonly payloadSize: number;
  readonly streams: readonly FilledStream[];
};

/** One month of five million events takes seconds; a slow disk may need more. */
const STATEMENT_MS = 20 * 60_000;

/** The share of a whole that falls to one of equal parts, without a remainder over all of them. */
const shareOf = (whole: number, part: number, parts: number): number =>
  Math.floor((whole * (part + 1)) / parts) - Math.floor((whole * part) / parts);

/** The events that each stream has in a month, as the statement takes them. */
const streamsOf = ({ streams }: Fill, monthsAgo: number): string =>
  JSON.stringify(
    streams
      .filter(({ oldest, newest }) => monthsAgo <= oldest && monthsAgo >= newest)
      .map(({ id, events, oldest, newest }) => ({
        id,
        events: shareOf(events, oldest - monthsAgo, oldest - newest + 1),
      })),
  );

async function fillMonths(
  pool: Pool,
  fill: Fill,
  onMonth: (events: number) => void,
): Promise<number> {
  await pool.query(queries.benchMakeMonths, [fill.months - 1]);
  let filled = 0;
  for (let part = 0; part < fill.months; part += 1) {
    const monthsAgo = fill.months - 1 - part;
    const events = shareOf(fill.events, part, fill.months);
    const parameters = [monthsAgo, events, fill.eventsPerStream, fill.payloadSize];
    const [row] = await pool.query<{ events: number }>(queries.benchFillMonth, [
      ...parameters,
      streamsOf(fill, monthsAgo),
    ]);
    filled += row?.events ?? 0;
    onMonth(filled);
  }
  return filled;
}

/**
 * Fills an empty log of a database that may be thrown away with what appends over these months
 * would have left, and brings it to rest: vacuumed, analysed and written to disk, as far as the
 * role may. `onMonth` hears after each month how many events there are.
 */
export async function fillLog(
  url: string,
  fill: Fill,
  onMonth: (events: number) => void,
): Promise<void> {
  const pool = openPool({
    url,
    size: 1,
    applicationName: "varve bench fill",
    statementTimeoutMs: STATEMENT_MS,
    acquireTimeoutMs: STATEMENT_MS,
    prepare: false,
  });
  try {
    const filled = await fillMonths(pool, fill, onMonth);
    const wanted = fill.streams.reduce((sum, { events }) => sum + events, fill.events);
    invariant(filled === wanted, "a log that is filled was empty before");
    for (const text of ["vacuum (analyze) varve.events", "vacuum (analyze) varve.streams"]) {
      await pool.query({ name: "bench", text }, []);
    }
    // Else the server would write the fill out while something is measured. Not every role may.
    await pool.query({ name: "bench", text: "checkpoint" }, []).catch(() => undefined);
  } finally {
    await pool.close(1_000);
  }
}
