import { compare } from "#ops/bench/compare.ts";
import { fillLog } from "#ops/bench/fill.ts";
import { ratesOf } from "#ops/bench/drive.ts";
import { type AppendBench, driven, measureInTurns, withAppenders } from "#ops/bench/scenario.ts";

/** Over a year, this month included, so that the partition that is appended to is not empty. */
const MONTHS = 12;
const EVENTS_PER_STREAM = 5;

/** Appends to a log of millions of events, against an empty one. */
export const stored = (bench: AppendBench) =>
  withAppenders(bench, ["empty", "full"], async ({ empty, full }) => {
    const { stored: events, payloadSize, note } = bench;
    const shape = { events: 1, payloadSize };
    const fill = { months: MONTHS, events, eventsPerStream: EVENTS_PER_STREAM, payloadSize };
    await fillLog(full.url, { ...fill, streams: [] }, (filled) =>
      note(`stored: filled ${filled} of ${events}`),
    );
    const measured = await measureInTurns(bench, "stored", {
      empty: driven(empty, shape),
      full: driven(full, shape),
    });
    return measured.map(({ writers, of: sides }) =>
      compare(
        { scenario: "stored", what: `appends/s, ${writers} writers`, aim: { atLeast: 0.8 } },
        { name: "empty log", values: ratesOf(sides.empty) },
        { name: `${events} events stored`, values: ratesOf(sides.full) },
      ),
    );
  });
