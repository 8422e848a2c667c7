import { afterEach, beforeEach, expect, test } from "bun:test";
import type postgres from "postgres";

import { queries } from "#store/statements.ts";
import { appendTo } from "#test/support/appends.ts";
import { declare, mail } from "#test/support/proofs.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";

// In its first minutes a database has plans of a time when its tables were nearly empty.

/** Rows when the statements are planned, and when they are measured, before anybody has analyzed the
 * tables again. */
const [FIRST, GROWN] = [5, 5_000];

let store: TestStore;
beforeEach(async () => {
  store = await openStore();
});
afterEach(() => closeStore(store));

/** Rows of the table and entries of its indexes that the transaction has read. */
const readOf = async (tx: postgres.TransactionSql, table: string): Promise<number> => {
  const [row] = await tx<{ read: number }[]>`
    select sum(pg_stat_get_xact_tuples_returned(c.oid))::int as read from pg_class c
      where c.oid = ${table}::regclass
        or c.oid in (select indexrelid from pg_index where indrelid = ${table}::regclass)`;
  return row?.read ?? 0;
};

/** As the pool sends its statements. */
const named = { prepare: true };

/** How much of the table the statement reads when that has grown since the statement was planned. */
async function rowsRead(
  table: string,
  { text, grow }: { readonly text: string; readonly grow: (from: number, to: number) => string },
  parametersOf: (run: number) => readonly (string | number)[],
): Promise<number> {
  const session = await store.sql.reserve();
  try {
    await session.unsafe(grow(1, FIRST));
    await session.unsafe(`analyze ${table}`);
    // So often that the session has gone over to a cached plan where it ever will.
    for (let run = 0; run < 7; run += 1) await session.unsafe(text, [...parametersOf(run)], named);
    await session.unsafe(grow(FIRST + 1, GROWN));
    await session`begin`;
    const before = await readOf(session as unknown as postgres.TransactionSql, table);
    await session.unsafe(text, [...parametersOf(7)], named);
    const after = await readOf(session as unknown as postgres.TransactionSql, table);
    await session`commit`;
    return after - before;
  } finally {
    session.release();
  }
}

const hex = (text: string): string => new Bun.CryptoHasher("sha256").update(text).digest("hex");

const growKeys = (from: number, to: number): string => `
  insert into varve.subject_keys (key_id, subject_hash, wrapped, kek_id)
    select gen_random_uuid(), sha256(n::text::bytea), decode(repeat('00', 62), 'hex'), 'k1'
      from generate_series(${from}, ${to}) n`;

const uuid = (number: number): string => `00000000-0000-7000-8000-${`${number}`.padStart(12, "0")}`;

const claim = (...subjects: readonly string[]): string =>
  JSON.stringify(
    subjects.map((subject) => ({
      keyId: crypto.randomUUID(),
      tenant: "default",
      subjectHash: hex(subject),
      wrapped: "00".repeat(62),
      kekId: "k1",
    })),
  );

test("append reads no stream but its own", async () => {
  const batch = (run: number): string =>
    JSON.stringify([
      ...["x", "y", "z"].map((name) => appendTo(name, run)),
      appendTo(`new-${run}`, 0),
    ]);
  const read = await rowsRead(
    "varve.streams",
    {
      text: queries.appendEvents.text,
      grow: (from, to) => `insert into varve.streams
        select 'Thing', 'grown-' || n, 1, now(), now() from generate_series(${from}, ${to}) n`,
    },
    (run) => [batch(run), new Date().toISOString()],
  );
  expect(read).toBeLessThan(20);
});

test("keys are claimed by reading no other subject's", async () => {
  const read = await rowsRead(
    "varve.subject_keys",
    { text: queries.claimSubjectKeys.text, grow: growKeys },
    (run) => [claim("known", `subject-${run}`)],
  );
  expect(read).toBeLessThan(20);
});

test("keys are found by reading no other subject's", async () => {
  const read = await rowsRead(
    "varve.subject_keys",
    { text: queries.findActiveKeys.text, grow: growKeys },
    () => ["default", JSON.stringify([hex("known"), hex("nobody")])],
  );
  expect(read).toBeLessThan(20);
});

test("keys are found by their ids, reading no other", async () => {
  const read = await rowsRead(
    "varve.subject_keys",
    { text: queries.findKeys.text, grow: growKeys },
    () => [JSON.stringify([uuid(1), uuid(2)])],
  );
  expect(read).toBeLessThan(20);
});

test("the first answer of a key is found by reading no other key", async () => {
  const read = await rowsRead(
    "varve.idempotency",
    {
      text: queries.findIdempotentResult.text,
      grow: (from, to) => `insert into varve.idempotency (principal, key, fingerprint,
          aggregate_type, aggregate_id, from_version, to_version)
        select 'key:a', n::text, 'f', 'Thing', 'a', 1, 1 from generate_series(${from}, ${to}) n`,
    },
    () => ["key:a", "key-1"],
  );
  expect(read).toBeLessThan(20);
});

/** Letters from position 1 on, those of streams with even numbers. */
const growLetters = (from: number, to: number): string => `
  insert into varve.dead_letters (subscription, partition, key, kind, stream, position, error_code)
    select 'mail', 0, 'k' || n, case when n % 2 = 0 then 'stream' else 'document' end, 's' || n, n,
        'e' from generate_series(${from}, ${to}) n`;

test("what waits behind a letter is found by reading no other letter", async () => {
  const wanted = JSON.stringify(["k1", "k2"]);
  const projection = { text: queries.readProjection.text, grow: growLetters };
  const table = "varve.dead_letters";
  expect(await rowsRead(table, projection, () => ["mail", "[]", wanted, wanted])).toBeLessThan(20);
});

test("streams that wait behind a letter are found by reading no other letter", async () => {
  const waiting = { text: queries.readWaitingStreams.text, grow: growLetters };
  const wanted = JSON.stringify(["k1", "k2"]);
  expect(await rowsRead("varve.dead_letters", waiting, () => ["mail", wanted])).toBeLessThan(20);
});

test("a step that puts aside, and settles what waited, reads no other letter", async () => {
  await declare(store.pool, mail);
  const step = (run: number): readonly (string | number)[] => {
    const at = { kind: "stream", key: `k${run}`, stream: `k${run}`, errorCode: "e", attempts: 1 };
    const letter = { ...at, position: run + 1, eventId: uuid(run), eventType: "Happened" };
    const behind = { ...letter, key: "k2", stream: "k2", errorCode: "behind-dead-letter" };
    const settled = { id: run, resolved: true, errorCode: "e", dueInMs: null };
    const texts = [[], [{ ...letter, key: "own" }, behind], run > 0 ? [settled] : []];
    return [mail.name, 0, 0, run, run + 1, ...texts.map((text) => JSON.stringify(text))];
  };
  const advance = { text: queries.advanceCheckpoint.text, grow: growLetters };
  expect(await rowsRead("varve.dead_letters", advance, step)).toBeLessThan(100);
  const [row] = await store.sql<{ position: number; resolved: number }[]>`
    select c.position::int, (select count(*) from varve.dead_letters where state = 'resolved')::int
        as resolved
      from varve.checkpoints c`;
  expect(row).toEqual({ position: 8, resolved: 7 });
});
