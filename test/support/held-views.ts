import { uuidv7 } from "#kernel/ids.ts";
import { applyProjection, changeText } from "#store/checkpoints.ts";
import type { DeadLetter } from "#store/dead-letters.ts";
import { ensureView, type DocumentChange } from "#store/documents.ts";
import { acquireLeases, type Lease, type LeaseReport } from "#store/leases.ts";
import type { Pool } from "#store/pool.ts";

import { appendAll, appendTo } from "./appends.ts";

// Views without a program: their rows, leases and documents as a worker would leave them.

const fingerprint = "made-for-a-test";
/** The instance of a test that needs no other. */
const theOwner = uuidv7();

/** Makes a view of that name, unless it is there. */
export const makeView = (pool: Pool, name: string, partitions = 1): Promise<boolean> =>
  ensureView(pool, {
    name,
    version: 1,
    filterFields: [],
    fingerprint,
    eventTypes: ["Happened"],
    aggregateTypes: undefined,
    partitions,
    startPosition: 0,
  });

/** Appends so many events, each to a stream of its own. */
export async function appendThings(pool: Pool, count: number): Promise<void> {
  const appends = Array.from({ length: count }, () => appendTo(`t-${uuidv7()}`, 0));
  await appendAll(pool, ...appends);
}

/** Leases of every version and partition of the view, for an instance of the test's own. */
export const holdView = (
  pool: Pool,
  name: string,
  options: { readonly owner?: string; readonly reports?: readonly LeaseReport[] } = {},
): Promise<readonly Lease[]> =>
  acquireLeases(pool, {
    owner: options.owner ?? theOwner,
    runnable: [{ name, version: 1, fingerprint }],
    durationMs: 60_000,
    reports: options.reports ?? [],
  });

type Taken = {
  readonly to: number;
  readonly documents?: Readonly<Record<string, unknown>>;
  readonly letters?: readonly DeadLetter[];
};

/** Moves a partition that is held to a position. Documents are as of it; null removes one. */
export async function takeTo(pool: Pool, lease: Lease, taken: Taken): Promise<Lease> {
  const { to, documents = {}, letters = [] } = taken;
  const changes = Object.entries(documents).map(([key, document]): DocumentChange => ({
    key,
    document,
    firstPosition: 1,
    position: to,
  }));
  const { subscription, partition, epoch, position } = lease;
  const positions = Array.from({ length: to - position }, (_, index) => position + index + 1);
  const step = {
    subscription,
    partition,
    epoch,
    fromPosition: position,
    toPosition: to,
    taken: positions,
    letters,
    settled: [],
  };
  if (!(await applyProjection(pool, step, changes.map(changeText))))
    throw new Error(`${subscription} is not held`);
  return { ...lease, position: to };
}

/** A letter of the event at that position; what is given differs from one that waits for a person. */
export const aLetter = (position: number, given: Partial<DeadLetter> = {}): DeadLetter => ({
  kind: "document",
  key: `k-${position}`,
  stream: `Thing-${position}`,
  position,
  eventId: uuidv7(),
  eventType: "Happened",
  errorCode: "project-threw",
  attempts: 5,
  dueInMs: null,
  ...given,
});

/** Ten events, and a view of things that has put some of them aside. */
export async function takeThings(pool: Pool, letters: readonly DeadLetter[]): Promise<void> {
  await appendThings(pool, 10);
  await makeView(pool, "things");
  const [lease] = await holdView(pool, "things");
  if (lease === undefined) throw new Error("nothing is held");
  await takeTo(pool, lease, { to: 10, letters });
}
