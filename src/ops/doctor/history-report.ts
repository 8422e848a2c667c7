import { type ExitCode, exitCodes } from "#ops/exit.ts";

import type { History, StoredVersion } from "./history.ts";

const says: Readonly<Record<StoredVersion["status"], string>> = {
  today: "read as it is",
  upcast: "read by its upcasters",
  fault: "FAULT",
};

const number = (value: number): string => value.toLocaleString("en-GB");

const counted = (versions: number): string =>
  versions === 0 ? "no version" : `${versions} version${versions === 1 ? "" : "s"}`;

/** One line of the table. The type of the stream is told: an event in another one's is a fault. */
const row = (stream: string, event: string, version: string, count: string): string =>
  `${stream.padEnd(14)} ${event.padEnd(28)} ${version.padStart(7)} ${count.padStart(13)}  `;

function linesOf(found: StoredVersion): readonly string[] {
  const { aggregateType, type, schemaVersion, count: events, status, faults } = found;
  return [
    row(aggregateType, type, String(schemaVersion), number(events)) + says[status],
    ...faults.map(({ fault, count, positions }) => {
      const more = count > positions.length ? " …" : "";
      return `  ${fault}: ${number(count)} at ${positions.join(", ")}${more}`;
    }),
  ];
}

/** What was found, as lines for a person. */
export function describeHistory(history: History): readonly string[] {
  const { events, versions, notLookedAt, interrupted, missing } = history;
  const faults = versions.filter(({ status }) => status === "fault").length;
  const gaps = notLookedAt.map(
    ({ name, state, first, last }) =>
      `not looked at: ${name} is ${state}, positions ${first} to ${last}; restore it to look at it`,
  );
  return [
    `${row("stream", "event", "version", "count")}status`,
    ...versions.flatMap(linesOf),
    ...gaps,
    ...(interrupted ? ["interrupted: later events were not looked at"] : []),
    ...(missing > 0 ? [`missing from the log: ${number(missing)}; see varve verify`] : []),
    `${number(events)} events, ${counted(faults)} with faults`,
  ];
}

/** How the process should end: a fault that was found counts, even where the rest was not seen. */
export function historyExit({ versions, missing, interrupted }: History): ExitCode {
  if (missing > 0 || versions.some(({ status }) => status === "fault")) return exitCodes.faultFound;
  return interrupted ? exitCodes.interrupted : exitCodes.done;
}
