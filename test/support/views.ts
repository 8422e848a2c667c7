import type { View } from "#domain/decider.ts";
import type { Step } from "#store/checkpoints.ts";
import type { DeadLetter } from "#store/dead-letters.ts";
import type { ViewTable } from "#store/documents.ts";
import { acquireLeases, type Lease, type LeaseRequest, type Runnable } from "#store/leases.ts";
import type { Pool } from "#store/pool.ts";

import { fingerprintOf } from "./loops.ts";

type Definition = Pick<View, "name" | "version">;

/** A view of `Happened` without filters, or one that differs in some of it. */
export const tableOf = (name: string, changed: Partial<ViewTable> = {}): ViewTable => ({
  name,
  version: 1,
  filterFields: [],
  fingerprint: fingerprintOf({ name, version: changed.version ?? 1 }),
  eventTypes: ["Happened"],
  aggregateTypes: undefined,
  partitions: 1,
  startPosition: 0,
  ...changed,
});

/** The definition as a program asks for it. */
export const runnableOf = ({ name, version }: Definition): Runnable => ({
  name,
  version,
  fingerprint: fingerprintOf({ name, version }),
});

/** Takes the leases of the views for a minute, or whatever is said. */
export const leaseViews = (
  pool: Pool,
  owner: string,
  views: readonly Definition[],
  changed: Partial<LeaseRequest> = {},
): Promise<readonly Lease[]> =>
  acquireLeases(pool, {
    owner,
    runnable: views.map(runnableOf),
    durationMs: 60_000,
    reports: [],
    ...changed,
  });

/** Of the only partition of a view's first version, at its start, or one that differs. */
export const leaseOf = (subscription: string, changed: Partial<Lease> = {}): Lease => ({
  subscription,
  partition: 0,
  partitions: 1,
  epoch: 1,
  position: 0,
  barrier: null,
  paused: false,
  surplus: false,
  dueInMs: null,
  openLetters: false,
  discardsAhead: false,
  suspects: [],
  version: 1,
  fingerprint: null,
  ...changed,
});

/** From 0 to 10 in the only partition before anybody has a lease, or one that differs. */
export const stepOf = (subscription: string, changed: Partial<Step> = {}): Step => ({
  subscription,
  partition: 0,
  epoch: 0,
  fromPosition: 0,
  toPosition: 10,
  taken: [],
  letters: [],
  settled: [],
  ...changed,
});

/** An event of the stream `Thing-a` that waits for a person, or one that differs. */
export const letterAt = (position: number, changed: Partial<DeadLetter> = {}): DeadLetter => ({
  kind: "stream",
  key: "Thing-a",
  stream: "Thing-a",
  position,
  eventId: `00000000-0000-7000-8000-${String(position).padStart(12, "0")}`,
  eventType: "Happened",
  errorCode: "schema-behind",
  attempts: 1,
  dueInMs: null,
  ...changed,
});
