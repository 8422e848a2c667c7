import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type postgres from "postgres";

import {
  applyProjection,
  ensureView,
  listDocuments,
  readDocuments,
  type DocumentFilter,
  type DocumentList,
} from "#store/documents.ts";
import type { Pool } from "#store/pool.ts";
import { queries } from "#store/statements.ts";
import type { TestDatabase } from "#test/database.ts";
import { openTestPool } from "#test/support/pools.ts";
import { closeStore, openStore } from "#test/support/store.ts";
import { traceOf } from "#test/support/trace.ts";

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
beforeAll(async () => {
  ({ database, pool, sql } = await openStore());
});
afterAll(() => closeStore({ database, pool, sql }));

const quote = `o'clock "\\ $1 %s %I é`;

/** A view of 23 documents: two kinds in turn, days that repeat, and keys that need quoting. */
async function fill(name: string): Promise<void> {
  await ensureView(pool, { name, version: 1, filterFields: ["kind", "day", quote] });
  const changes = Array.from({ length: 23 }, (_, n) => ({
    key: `${quote}${String(n).padStart(2, "0")}`,
    document: {
      kind: n % 2 === 0 ? "even" : "odd",
      day: `2026-01-${10 + (n % 7)}`,
      [quote]: quote,
    },
    // Pairs share a position, as documents do that one event makes.
    firstPosition: 1 + Math.floor(n / 2),
    position: 40,
  }));
  await applyProjection(pool, {
    view: name,
    epoch: 0,
    fromPosition: 0,
    toPosition: 40,
    events: 23,
    changes,
    deadLetters: [],
  });
}

const keyOf = (n: number): string => `${quote}${String(n).padStart(2, "0")}`;

/** The numbers of the documents, page by page, until the last one. */
async function pages(name: string, list: Omit<DocumentList, "after">): Promise<number[][]> {
  const found: number[][] = [];
  let after: DocumentList["after"];
  for (;;) {
    const page = await listDocuments(pool, name, after === undefined ? list : { ...list, after });
    expect(page.position).toBe(40);
    if (page.documents.length === 0) return found;
    if (found.length > 23) throw new Error("the pages do not come to an end");
    found.push(page.documents.map(({ key }) => Number(key.slice(-2))));
    const last = page.documents.at(-1);
    after = { position: last?.firstPosition ?? 0, key: last?.key ?? "" };
  }
}

const all = Array.from({ length: 23 }, (_, n) => n);

describe("listDocuments", () => {
  beforeAll(() => fill("listed"));

  for (const limit of [1, 2, 5, 22, 23, 200]) {
    test(`pages of ${limit} hold everything once when they follow each other`, async () => {
      const newest = await pages("listed", { filters: [], newest: true, limit });
      const byKey = await pages("listed", { filters: [], newest: false, limit });
      expect([newest.flat(), byKey.flat()]).toEqual([all.toReversed(), all]);
      expect([...newest, ...byKey].every((page) => page.length <= limit)).toBe(true);
    });
  }

  const filtered = async (...filters: readonly DocumentFilter[]) =>
    (await pages("listed", { filters, newest: false, limit: 4 })).flat();

  test("page holds what fits when it is filtered", async () => {
    expect([
      await filtered({ field: "kind", compare: "eq", value: "odd" }),
      await filtered(
        { field: "day", compare: "gte", value: "2026-01-12" },
        { field: "day", compare: "lte", value: "2026-01-13" },
        { field: "kind", compare: "eq", value: "even" },
      ),
      await filtered({ field: "none", compare: "eq", value: "x" }),
    ]).toEqual([all.filter((n) => n % 2 === 1), [2, 10, 16], []]);
  });

  test("filter is quoted when its field or value looks like SQL", async () => {
    const attack = `x' or true or (d.document->>'kind') = '`;
    expect([
      await filtered({ field: quote, compare: "eq", value: quote }),
      await filtered({ field: "kind", compare: "eq", value: attack }),
      await filtered({ field: attack, compare: "eq", value: "even" }),
      await filtered({ field: "kind", compare: "eq", value: "even'; drop table varve.events; --" }),
      await filtered({ field: "kind", compare: "eq", value: "%L %1$s \\' \\\\" }),
    ]).toEqual([all, [], [], [], []]);
  });

  test("cursor is quoted when its key looks like SQL", async () => {
    const after = { position: 5, key: `' or true --` };
    const list = { filters: [], limit: 100, after };
    const keys = async (newest: boolean) =>
      (await listDocuments(pool, "listed", { ...list, newest })).documents.map(({ key }) => key);
    const expected = [all.slice(0, 8).toReversed().map(keyOf), all.map(keyOf)];
    expect([await keys(true), await keys(false)]).toEqual(expected);
  });

  test("list is refused when there is no such view, also under a name like SQL", async () => {
    const codes = [];
    for (const name of ["nothing", `listed" d; drop table varve.events; --`]) {
      const list = listDocuments(pool, name, { filters: [], newest: true, limit: 1 });
      codes.push(
        await list.then(
          () => "listed",
          (error: { code: string }) => error.code,
        ),
      );
    }
    expect(codes).toEqual(["database-refused", "database-refused"]);
  });

  test("page takes the index of its filter or order when the view is large", async () => {
    await ensureView(pool, { name: "large", version: 1, filterFields: ["kind"] });
    await sql`insert into varve_views.large_v1
      select 'k' || n, jsonb_build_object('kind', 'kind' || n % 500), n, n
        from generate_series(1, 20000) n`;
    await sql`analyze varve_views.large_v1`;
    const indexesOf = async (filters: string, newest: boolean, position: number | null) => {
      const parameters = ["large", filters, newest, position, "k10000", 50];
      const { text } = queries.listDocuments;
      const { whole, indexes } = await traceOf(sql, "large_v1%", { text, parameters });
      return [...whole, ...indexes];
    };
    const rare = '[{"field":"kind","compare":"eq","value":"kind7"}]';
    expect([
      await indexesOf("[]", true, null),
      await indexesOf("[]", true, 10_000),
      await indexesOf("[]", false, null),
      await indexesOf(rare, true, null),
      await indexesOf(rare, true, 10_000),
    ]).toEqual([
      ["large_v1_first_position_idx"],
      ["large_v1_first_position_idx"],
      ["large_v1_pkey"],
      ["large_v1_expr_first_position_idx"],
      ["large_v1_expr_first_position_idx"],
    ]);
  });
});

describe("readDocuments", () => {
  beforeAll(() => fill("read"));

  test("documents are those of the keys when some exist", async () => {
    const { position, documents } = await readDocuments(pool, "read", [keyOf(3), "none", quote]);
    expect({ position, documents }).toEqual({
      position: 40,
      documents: [
        {
          key: keyOf(3),
          document: { kind: "odd", day: "2026-01-13", [quote]: quote },
          firstPosition: 2,
          position: 40,
        },
      ],
    });
  });
});

describe("ensureView", () => {
  const objects = async (prefix: string) => {
    const rows = await sql<{ name: string }[]>`
      select relname as name from pg_class
       where relnamespace = 'varve_views'::regnamespace
         and relname like ${`${prefix}%`} order by 1`;
    return rows.map(({ name }) => name);
  };
  const view = { name: "made", version: 1, filterFields: ["kind"] };

  test("view is made once when twelve ask for it at the same moment", async () => {
    const pools = Array.from({ length: 12 }, () => openTestPool(database.url, { size: 1 }));
    const made = await Promise.all(pools.map((one) => ensureView(one, view)));
    await Promise.all(pools.map((one) => one.close(1_000)));
    expect(made.filter(Boolean)).toEqual([true]);
    expect(await ensureView(pool, view)).toBe(false);
    expect(await objects("made")).toEqual([
      "made",
      "made_v1",
      "made_v1_expr_first_position_idx",
      "made_v1_first_position_idx",
      "made_v1_pkey",
    ]);
  });

  test("view starts from nothing and fences its writer when its version is another", async () => {
    await fill("raised");
    const stale = {
      view: "raised",
      epoch: 0,
      fromPosition: 40,
      toPosition: 50,
      events: 0,
      changes: [],
      deadLetters: [],
    };
    expect(await ensureView(pool, { name: "raised", version: 2, filterFields: [] })).toBe(true);
    expect(await applyProjection(pool, stale)).toBe(false);
    expect(await applyProjection(pool, { ...stale, fromPosition: 0 })).toBe(false);
    expect(await readDocuments(pool, "raised", [keyOf(1)])).toEqual({ position: 0, documents: [] });
    const kept = ["raised", "raised_v2", "raised_v2_first_position_idx", "raised_v2_pkey"];
    expect(await objects("raised")).toEqual(kept);
  });

  test("view is made whole when its name and fields need quoting", async () => {
    const odd = { name: 'odd "name', version: 1, filterFields: [quote] };
    expect(await ensureView(pool, odd)).toBe(true);
    expect(await readDocuments(pool, odd.name, ["x"])).toEqual({ position: 0, documents: [] });
  });
});
