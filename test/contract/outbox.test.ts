import { expect, test } from "bun:test";

import { appendAll, appendTo } from "#test/support/appends.ts";
import {
  declare,
  eventOfType,
  mail,
  pass,
  settle,
  useProofs,
  wants,
  type Wants,
} from "#test/support/proofs.ts";
import { makeView } from "#test/support/held-views.ts";
import { readAfter } from "#store/events.ts";

const store = useProofs(appendTo("a", 0, 4), appendTo("b", 0, 3), appendTo("c", 0, 3));

/** `4 pending`, in order of position. */
async function owed({ name }: Wants): Promise<readonly string[]> {
  const rows = await store.sql<{ position: number; state: string; code: string | null }[]>`
    select position::int, state, error_code as code from varve.outbox
      where subscription = ${name} order by position`;
  return rows.map(({ position, state, code }) => `${position} ${state}${code ? ` ${code}` : ""}`);
}

test("what a reactor has not passed is owed, and what was put aside until it is settled", async () => {
  await makeView(store.pool, "things");
  await pass(store, mail, { from: 0, to: 8, failed: [2, 5] });
  const aside = ["2 put-aside invalid-data", "5 put-aside invalid-data"];
  expect(await owed(mail)).toEqual([...aside, "9 pending", "10 pending"]);
  await settle(store, mail, { position: 2 });
  await pass(store, mail, { from: 8, to: 10 });
  expect(await owed(mail)).toEqual(["5 put-aside invalid-data"]);
  const [event] = await readAfter(store.pool, 4, 1);
  const rows = await store.sql`
    select event_id, event_type, aggregate_type, aggregate_id, partition from varve.outbox`;
  expect(rows.map((row) => ({ ...row }))).toEqual([
    {
      // A letter of these tests has an id of its own.
      event_id: "00000000-0000-7000-8000-000000000000",
      event_type: "Happened",
      aggregate_type: "Thing",
      aggregate_id: event?.aggregateId,
      partition: 0,
    },
  ]);
});

test("each partition owes what is its own, of the types that are wanted", async () => {
  const split: Wants = { name: "split", partitions: 3, eventTypes: ["Wanted"] };
  await declare(store.pool, split);
  const streams = Array.from({ length: 12 }, (_, index) => `s${index}`);
  for (const type of ["Wanted", "Other"]) {
    const appends = streams.map((stream) => ({
      ...appendTo(stream, null),
      events: [eventOfType(type)],
    }));
    await appendAll(store.pool, ...appends);
  }
  const all = (await readAfter(store.pool, 0, 100)).filter(({ type }) => type === "Wanted");
  const at = (events: readonly { readonly position: number }[]) =>
    events.map(({ position }) => `${position} pending`);
  expect(await owed(split)).toEqual(at(all));
  const [first, ...others] = [0, 1, 2].map((partition) =>
    all.filter((event) => wants(split, partition, event)),
  );
  expect(first?.length).toBeGreaterThan(0);
  await pass(store, split, { partition: 0, from: 0, to: 34 });
  const left = others.flat().toSorted((one, other) => one.position - other.position);
  expect(await owed(split)).toEqual(at(left));
});

test("it is read by position, and not by looking at the whole log, when the log is long", async () => {
  const plan = await store.sql.begin(async (session) => {
    // The log of a test is so short that it would be read whole.
    await session`set local enable_seqscan = off`;
    return session<{ "QUERY PLAN": string }[]>`
      explain select position from varve.outbox where subscription = ${mail.name}`;
  });
  const lines = plan.map((line) => line["QUERY PLAN"]);
  expect(lines.filter((line) => line.includes("Seq Scan on events_"))).toEqual([]);
  expect(lines.some((line) => /Index.*Scan using events_.*_position/.test(line))).toBe(true);
});
