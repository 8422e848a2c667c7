import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type postgres from "postgres";

import { applyProjection, changeText, readProjection, type Step } from "#store/checkpoints.ts";
import { ensureView, readDocuments, type DocumentChange } from "#store/documents.ts";
import type { Pool } from "#store/pool.ts";
import { functions } from "#store/sql-files.ts";
import { queries } from "#store/statements.ts";
import { assertNothingLeftOpen, freshDatabase, type TestDatabase } from "#test/database.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { openSql, openTestPool } from "#test/support/pools.ts";
import { traceOf } from "#test/support/trace.ts";
import { letterAt, stepOf, tableOf } from "#test/support/views.ts";

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
beforeEach(async () => {
  database = await freshDatabase();
  pool = openTestPool(database.url);
  sql = openSql(database.url);
  await ensureView(pool, tableOf("things", { filterFields: ["kind"] }));
});
afterEach(async () => {
  await pool.close(1_000);
  await sql.end({ timeout: 1 });
  await assertNothingLeftOpen(database.url);
  await database.drop();
});

const change = (key: string, position: number, document: unknown): DocumentChange => ({
  key,
  document,
  firstPosition: position,
  position,
});

type Page = Partial<Step> & {
  readonly subscription?: string;
  readonly changes?: readonly DocumentChange[];
};

/** Applies the page from 0 to 10 with two documents, or one that differs in some of it. */
const apply = ({ subscription = "things", changes, ...step }: Page = {}, through = pool) =>
  applyProjection(
    through,
    stepOf(subscription, { taken: [4, 9, 10], ...step }),
    (changes ?? [change("a", 4, { kind: "x" }), change("b", 9, { kind: "y" })]).map(changeText),
  );

const checkpoint = async () => {
  const [row] = await sql`
    select position::int, epoch::int, events_processed::int as events,
           last_progress_at > now() - interval '1 minute' as moved
      from varve.checkpoints where subscription = 'things'`;
  return { ...row };
};

const documents = async () => {
  const { documents } = await readDocuments(pool, "things", ["a", "b", "c"]);
  return documents.toSorted((left, right) => (left.key < right.key ? -1 : 1));
};

const untouched = { position: 0, epoch: 0, events: 0, moved: true };
const written = [
  { key: "a", document: { kind: "x" }, firstPosition: 4, position: 4 },
  { key: "b", document: { kind: "y" }, firstPosition: 9, position: 9 },
];

describe("applyProjection", () => {
  test("page is written with its checkpoint when it is applied, once", async () => {
    expect(await apply()).toBe(true);
    const after = { position: 10, epoch: 0, events: 3, moved: true };
    expect([await documents(), await checkpoint()]).toEqual([written, after]);
    expect(await apply()).toBe(false);
    expect([await documents(), await checkpoint()]).toEqual([written, after]);
  });

  const refused: Readonly<Record<string, Page>> = {
    "the epoch is an older one": { epoch: -1 },
    "the epoch is one that nobody holds": { epoch: 1 },
    "the checkpoint is not there yet": { fromPosition: 5 },
    "it would go back": { toPosition: -1 },
    "the view is unknown": { subscription: "nothing" },
  };
  for (const [reason, changed] of Object.entries(refused)) {
    test(`page is refused and writes nothing when ${reason}`, async () => {
      expect(await apply(changed)).toBe(false);
      expect([await documents(), await checkpoint()]).toEqual([[], untouched]);
    });
  }

  test("checkpoint moves alone when the page changes no document", async () => {
    expect(await apply({ changes: [], taken: [] })).toBe(true);
    const after = { position: 10, epoch: 0, events: 0, moved: true };
    expect([await documents(), await checkpoint()]).toEqual([[], after]);
  });

  test("document is replaced, kept, removed and made again when later pages say so", async () => {
    await apply();
    const second = [
      { key: "a", document: { kind: "z" }, firstPosition: 4, position: 12 },
      change("b", 13, null),
      change("c", 14, null),
    ];
    await apply({ fromPosition: 10, toPosition: 14, changes: second });
    const replaced = { key: "a", document: { kind: "z" }, firstPosition: 4, position: 12 };
    expect(await documents()).toEqual([replaced]);
    const third = [change("b", 16, { kind: "again" })];
    await apply({ fromPosition: 14, toPosition: 20, changes: third });
    const again = { key: "b", document: { kind: "again" }, firstPosition: 16, position: 16 };
    expect(await documents()).toEqual([replaced, again]);
  });

  test("checkpoint stays when the documents cannot be written", async () => {
    await sql`alter table varve_views.things_v1 rename to gone`;
    const code = await apply().then(
      () => "applied",
      (error: { code: string }) => error.code,
    );
    expect(code).toBe("database-refused");
    await sql`alter table varve_views.gone rename to things_v1`;
    expect([await documents(), await checkpoint()]).toEqual([[], untouched]);
    expect(await apply()).toBe(true);
    expect(await documents()).toEqual(written);
  });

  const letters = async () => [
    ...(await sql`
      select subscription, key, position::int, error_code as code, state, attempts
        from varve.dead_letters order by position`),
  ];
  const waiting = (position: number, attempts = 1) => ({
    subscription: "things",
    key: "Thing-a",
    position,
    code: "schema-behind",
    state: "waiting",
    attempts,
  });

  test("dead letters are written with the page when it is applied, and not when it is refused", async () => {
    const page: Page = { taken: [4, 9], letters: [letterAt(5), letterAt(7)] };
    expect(await apply({ ...page, epoch: 1 })).toBe(false);
    expect(await letters()).toEqual([]);
    expect(await apply(page)).toBe(true);
    expect(await apply(page)).toBe(false);
    expect([await letters(), await documents()]).toEqual([[waiting(5), waiting(7)], written]);
  });

  test("dead letters are written when the page changes no document", async () => {
    await apply({ changes: [], letters: [letterAt(5)] });
    expect(await letters()).toEqual([waiting(5)]);
  });

  test("dead letter waits again with one attempt more when its page is read again", async () => {
    await apply({ letters: [letterAt(5, { errorCode: "upcast-failed" })] });
    await sql`update varve.dead_letters set state = 'resolved', reason = 'mended'`;
    await sql`update varve.checkpoints set position = 0`;
    await apply({ letters: [letterAt(5)] });
    expect(await letters()).toEqual([waiting(5, 2)]);
  });

  test("documents and streams are found to wait by the index when a page asks for them", async () => {
    await sql`insert into varve.dead_letters (subscription, kind, key, position, error_code, state)
      select case n % 2 when 0 then 'things' else 'others' end,
             case n % 5 when 0 then 'document' else 'stream' end, 'Thing-' || n, n,
             'schema-behind', case n % 3 when 0 then 'resolved' else 'waiting' end
        from generate_series(1, 20000) n`;
    await sql`analyze varve.dead_letters`;
    const names = [2, 3, 6, 8, 10, 15, 30, 30_000].map((n) => `Thing-${n}`);
    const wanted = { subscription: "things", documents: [], keys: names, streams: names };
    const found = {
      documents: [],
      keys: [{ key: "Thing-10", position: 10 }],
      streams: ["Thing-2", "Thing-8"],
    };
    expect(await readProjection(pool, wanted)).toEqual(found);
    const list = JSON.stringify(names);
    const parameters = ["things", "[]", list, list];
    const call = { text: queries.readProjection.text, parameters, warmed: true };
    expect(await traceOf(sql, "dead_letters%", call)).toMatchObject({
      whole: [],
      indexes: ["dead_letters_queue"],
    });
  });

  test("program before goes on when the function is replaced under its prepared statement", async () => {
    await appendAll(pool, appendTo("a", 0, 10));
    const signature = "text, bigint, bigint, bigint, integer, jsonb";
    await sql.unsafe(`
      drop function varve.apply_projection(${signature}, jsonb);
      create function varve.apply_projection(${signature}) returns boolean
        language sql as 'select false';`);
    const call = () => sql`
      select varve.apply_projection('things', ${0}::bigint, 0::bigint, 10::bigint, 3, '[]'::jsonb)
        as applied`;
    expect([...(await call())]).toEqual([{ applied: false }]);
    const file = functions.find(({ name }) => name === "apply_projection_before");
    await sql.unsafe(`drop function varve.apply_projection(${signature})`);
    await sql.unsafe(file?.text ?? "");
    expect([...(await call())]).toEqual([{ applied: true }]);
    expect(await checkpoint()).toEqual({ position: 10, epoch: 0, events: 10, moved: true });
  });

  test("page is applied once when twenty send it at the same moment", async () => {
    const pools = Array.from({ length: 4 }, () => openTestPool(database.url, { size: 5 }));
    const sent = pools.flatMap((one) => [1, 2, 3, 4, 5].map(() => apply({}, one)));
    const applied = (await Promise.all(sent)).filter(Boolean);
    await Promise.all(pools.map((one) => one.close(1_000)));
    expect(applied).toEqual([true]);
    expect(await checkpoint()).toEqual({ position: 10, epoch: 0, events: 3, moved: true });
  });
});
