import { monotonicMs, sleep } from "#kernel/clock.ts";
import { limits } from "#kernel/limits.ts";
import { compare, type Comparison, interleave } from "#ops/bench/compare.ts";
import { type Appender, drive, type Load, newAppend, type Shape } from "#ops/bench/drive.ts";
import { whileHeld } from "#ops/bench/held-transaction.ts";
import { type AppendBench, withAppenders } from "#ops/bench/scenario.ts";
import { ascending, quantile } from "#ops/bench/statistics.ts";
import { readAfter } from "#store/events.ts";

/** Each writer appends and rests this long: a service at ease, so that no queue hides the lag. */
const PAUSE_MS = 20;
/** Between looks at a log that had nothing new. */
const LOOK_AGAIN_MS = 1;
/** What is not delivered this long after the last append counts as this late. */
const GIVE_UP_MS = 2_000;

type Delivery = { readonly p50Ms: number; readonly p99Ms: number };

/** Appends at a steady rate and a reader that follows the log: from the call to the reader's page. */
function createDelivery({ append, pool }: Appender, shape: Shape) {
  let after = 0;
  return async (load: Load): Promise<Delivery> => {
    const sentAt = new Map<string, number>();
    const lags: number[] = [];
    let giveUpAt = Number.POSITIVE_INFINITY;
    const follow = async (): Promise<void> => {
      while (giveUpAt === Number.POSITIVE_INFINITY || sentAt.size > 0) {
        if (monotonicMs() > giveUpAt) return;
        const page = await readAfter(pool, after, limits.readEvents);
        const now = monotonicMs();
        for (const { eventId, position } of page) {
          const sent = sentAt.get(eventId);
          if (sent !== undefined) lags.push(now - sent);
          sentAt.delete(eventId);
          after = position;
        }
        if (page.length === 0) await sleep(LOOK_AGAIN_MS);
      }
    };
    const write = async (): Promise<void> => {
      await drive({ ...load, pauseMs: PAUSE_MS }, () => {
        const next = newAppend(shape);
        for (const { id } of next.events) sentAt.set(id, monotonicMs());
        return append(next);
      });
      giveUpAt = monotonicMs() + GIVE_UP_MS;
    };
    await Promise.all([follow(), write()]);
    const late = Array.from({ length: sentAt.size }, () => GIVE_UP_MS);
    const sorted = ascending([...lags, ...late]);
    return { p50Ms: quantile(sorted, 0.5), p99Ms: quantile(sorted, 0.99) };
  };
}

/**
 * Delivery while a transaction that has written is open in another database of the cluster. A reader
 * that trusts transaction ids waits for its end; one that follows positions does not know of it.
 */
export const otherDatabase = (bench: AppendBench) =>
  withAppenders(bench, ["log", "other"], async ({ log, other }) => {
    const { durationMs, payloadSize, rounds } = bench;
    const deliver = createDelivery(log, { events: 1, payloadSize });
    const comparisons: Comparison[] = [];
    for (const writers of bench.writers) {
      const load = { writers, durationMs };
      const measured = await interleave(
        (side: "alone" | "beside") =>
          side === "alone"
            ? deliver(load)
            : whileHeld(other.url, "create table varve.held ()", () => deliver(load)),
        { names: ["alone", "beside"], rounds },
        (round) => bench.note(`other-database, ${writers} writers: round ${round} of ${rounds}`),
      );
      for (const share of ["p50Ms", "p99Ms"] as const) {
        const valuesOf = (side: keyof typeof measured): readonly number[] =>
          measured[side].map((delivery) => delivery[share]);
        comparisons.push(
          compare(
            {
              scenario: "other-database",
              what: `${share.slice(0, 3)} ms from append to reader, ${writers} writers`,
              // A p99 of a shared machine is the machine's; it is shown and not judged.
              aim: share === "p50Ms" ? { atMost: 1.25 } : null,
            },
            { name: "alone", values: valuesOf("alone") },
            { name: "beside a write transaction", values: valuesOf("beside") },
          ),
        );
      }
    }
    return comparisons;
  });
