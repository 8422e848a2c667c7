import { afterEach, beforeEach } from "bun:test";

import type { Append, NewEvent } from "#store/append.ts";
import { advanceCheckpoint } from "#store/checkpoints.ts";
import type { DeadLetter } from "#store/dead-letters.ts";
import { readAfter, type StoredEvent } from "#store/events.ts";
import type { Pool } from "#store/pool.ts";
import { auditProof, readProof, type AuditStep, type ProofFault } from "#store/proofs.ts";
import { declareReactor } from "#store/subscriptions.ts";

import { anEvent, appendAll } from "./appends.ts";
import { closeStore, openStore, type TestStore } from "./store.ts";

/** A subscription as a test runs it, without a loop: its steps are the test's own. */
export type Wants = {
  readonly name: string;
  readonly partitions?: number;
  readonly eventTypes?: readonly string[];
  readonly aggregateTypes?: readonly string[];
};

export const mail: Wants = { name: "mail" };

/** A database of each test's own, with that subscription and the events of these appends. */
export function useProofs(...appends: readonly Append[]) {
  let store: TestStore;
  beforeEach(async () => {
    store = await openStore();
    await declare(store.pool, mail);
    if (appends.length > 0) await appendAll(store.pool, ...appends);
  });
  afterEach(() => closeStore(store));
  return {
    get database() {
      return store.database;
    },
    get pool() {
      return store.pool;
    },
    get sql() {
      return store.sql;
    },
  };
}

/** What was declared before is old enough to be changed, as nobody runs it. */
const aged = {
  name: "aged",
  text: "update varve.subscriptions set declared_at = '-infinity'",
};

/** Makes the subscription, or changes what it wants. */
export async function declare(
  pool: Pool,
  { name, partitions = 1, ...types }: Wants,
  startPosition = 0,
): Promise<void> {
  await pool.query(aged, []);
  await declareReactor(pool, {
    name,
    partitions,
    eventTypes: types.eventTypes,
    aggregateTypes: types.aggregateTypes,
    startPosition,
  });
}

/** The first four bytes of SHA-256 as a number, as the partition of a stream is chosen. */
export function partitionOf(stream: string, partitions: number): number {
  const bytes = new Bun.CryptoHasher("sha256").update(stream).digest();
  return new DataView(bytes.buffer).getUint32(0) % partitions;
}

/** Whether the partition of the subscription has to take the event. */
export const wants = (
  { partitions = 1, eventTypes, aggregateTypes }: Wants,
  partition: number,
  event: Pick<StoredEvent, "type" | "aggregateType" | "aggregateId">,
): boolean =>
  (eventTypes?.includes(event.type) ?? true) &&
  (aggregateTypes?.includes(event.aggregateType) ?? true) &&
  partitionOf(`${event.aggregateType}-${event.aggregateId}`, partitions) === partition;

/** A letter that waits for a person. */
export const letterAt = (position: number, key = "a"): DeadLetter => ({
  kind: "stream",
  key,
  stream: `Thing-${key}`,
  position,
  eventId: "00000000-0000-7000-8000-000000000000",
  eventType: "Happened",
  errorCode: "invalid-data",
  attempts: 1,
  dueInMs: null,
});

export type Passed = {
  readonly partition?: number;
  readonly from: number;
  readonly to: number;
  /** What takes effect: all that is wanted, less what fails, unless it is given. */
  readonly taken?: readonly number[];
  readonly failed?: readonly number[];
};

/** Moves the checkpoint as its holder does. Throws where the step was refused. */
export async function pass(
  { pool, sql }: TestStore,
  subscription: Wants,
  { partition = 0, from, to, taken, failed = [] }: Passed,
): Promise<void> {
  const events = await readAfter(pool, from, 1_000);
  const wanted = events
    .filter((event) => event.position <= to && wants(subscription, partition, event))
    .map(({ position }) => position);
  const [row] = await sql<{ epoch: number }[]>`
    select epoch::int from varve.checkpoints
      where subscription = ${subscription.name} and partition = ${partition}`;
  const applied = await advanceCheckpoint(pool, {
    subscription: subscription.name,
    partition,
    epoch: row?.epoch ?? -1,
    fromPosition: from,
    toPosition: to,
    taken: taken ?? wanted.filter((position) => !failed.includes(position)),
    letters: failed.map((position) => letterAt(position)),
    settled: [],
  });
  if (!applied) throw new Error(`${subscription.name} did not pass ${from} to ${to}`);
}

/** Has the letter of a position taken effect after all, or fail once more. */
export async function settle(
  { pool, sql }: TestStore,
  { name }: Wants,
  { position, resolved = true, taken }: Settled,
): Promise<void> {
  const [row] = await sql<{ id: number; partition: number; epoch: number; at: number }[]>`
    select d.id::int, d.partition, c.epoch::int, c.position::int as at
      from varve.dead_letters d join varve.checkpoints c using (subscription, partition)
      where d.subscription = ${name} and d.position = ${position} and d.state = 'waiting'`;
  if (row === undefined) throw new Error(`no letter of ${position} waits`);
  const applied = await advanceCheckpoint(pool, {
    subscription: name,
    partition: row.partition,
    epoch: row.epoch,
    fromPosition: row.at,
    toPosition: row.at,
    taken: taken ?? (resolved ? [position] : []),
    letters: [],
    settled: [{ id: row.id, resolved, errorCode: "invalid-data", dueInMs: null }],
  });
  if (!applied) throw new Error(`the letter of ${position} was not settled`);
}
type Settled = {
  readonly position: number;
  readonly resolved?: boolean;
  readonly taken?: readonly number[];
};

/** Moves a checkpoint as nobody should. */
export async function moveByHand(
  { sql }: TestStore,
  { name }: Wants,
  position: number,
  partition = 0,
): Promise<void> {
  await sql`update varve.checkpoints set position = ${position}
             where subscription = ${name} and partition = ${partition}`;
}

/** Audits until there is nothing to do; what was told, and what the last step came to. */
export async function audit(
  pool: Pool,
  { name }: Wants,
  { partition = 0, eventsMax = 1_000 } = {},
): Promise<Omit<AuditStep, "more">> {
  const faults: ProofFault[] = [];
  for (let steps = 0; steps < 1_000; steps += 1) {
    const step = await auditProof(pool, { subscription: name, partition }, eventsMax);
    faults.push(...step.faults);
    if (!step.more) return { agrees: step.agrees, blocked: step.blocked, faults };
  }
  throw new Error("the audit does not come to an end");
}

/** Nothing was found, and everything was compared. */
export const allAgrees = { agrees: true, blocked: null, faults: [] };

/** `skipped 3 4 5`, of the faults that stand. */
export async function standing(pool: Pool, { name }: Wants): Promise<readonly string[]> {
  const proof = await readProof(pool, name);
  return (proof?.faults ?? []).map(
    ({ kind, positions, total }) =>
      `${kind} ${positions.join(" ")}${total === positions.length ? "" : ` of ${total}`}`,
  );
}

/** An event of a type. */
export const eventOfType = (type: string): NewEvent => ({ ...anEvent(), type });
