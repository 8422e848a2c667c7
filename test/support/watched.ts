import type postgres from "postgres";

import { defineView, type RecordedEvent, type View } from "#domain/decider.ts";
import { defineReactor, type Reactor } from "#domain/subscription.ts";
import { until } from "#test/until.ts";

// What tests of the runtime follow the log with, and how they see how far it is.

export type Happened = { readonly type: "Happened"; readonly payload: unknown };
type Versions = { readonly versions: readonly number[] };

/**
 * Keeps the versions of each stream, so that one that was left out, taken twice or out of order is
 * seen. `meet` may throw.
 */
export const versionsView = (
  name: string,
  meet: (event: RecordedEvent) => void = () => undefined,
  changed: Partial<View> = {},
): View => ({
  ...defineView<Versions, Happened>({
    name,
    version: 1,
    events: ["Happened"],
    key: (event) => event.aggregateId,
    project: (document, event) => {
      meet(event);
      return { versions: [...(document?.versions ?? []), event.version] };
    },
    byKey: true,
  }),
  ...changed,
});

/** Calls `meet` for each event of `appends.ts`. */
export const meetingReactor = (
  name: string,
  meet: Reactor["handle"],
  changed: Partial<Reactor> = {},
): Reactor => ({
  ...defineReactor<Happened>({ name, events: ["Happened"], handle: meet }),
  ...changed,
});

/** The numbers from 1. */
export const upTo = (last: number): readonly number[] =>
  Array.from({ length: last }, (_, index) => index + 1);

/** What the view has kept, by stream. */
export async function versionsIn(
  sql: postgres.Sql,
  view: string,
): Promise<Readonly<Record<string, readonly number[]>>> {
  const rows = await sql<{ key: string; document: Versions }[]>`
    select key, document from varve_views.${sql(view)} order by key collate "C"`;
  return Object.fromEntries(rows.map(({ key, document }) => [key, document.versions]));
}

/** Where the checkpoint of its only partition is. */
export async function checkpointOf(sql: postgres.Sql, subscription: string): Promise<number> {
  const [row] = await sql<{ position: number }[]>`
    select position::int from varve.checkpoints where subscription = ${subscription}`;
  return row?.position ?? -1;
}

export const reached = (
  sql: postgres.Sql,
  subscription: string,
  position: number,
  deadlineMs?: number,
): Promise<true> =>
  until(
    `${subscription} reaches ${position}`,
    async () => (await checkpointOf(sql, subscription)) === position,
    deadlineMs,
  );

/** Its dead letters in order: key, position, code, state, attempts. */
export async function lettersOf(
  sql: postgres.Sql,
  subscription: string,
): Promise<readonly string[]> {
  const rows = await sql`
    select concat_ws(' ', key, position, error_code, state, attempts) as letter
      from varve.dead_letters where subscription = ${subscription} order by position`;
  return rows.map(({ letter }) => String(letter));
}

/** Its faults of the proof: kind, after, to. */
export async function proofFaultsOf(
  sql: postgres.Sql,
  subscription: string,
): Promise<readonly string[]> {
  const rows = await sql`
    select concat_ws(' ', kind, after_position, to_position) as fault
      from varve.proof_faults where subscription = ${subscription} order by id`;
  return rows.map(({ fault }) => String(fault));
}
