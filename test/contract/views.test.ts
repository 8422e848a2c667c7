import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type postgres from "postgres";

import { applyProjection, changeText, recordCrash } from "#store/checkpoints.ts";
import {
  ensureView,
  listDocuments,
  readCheckpoints,
  readDocuments,
  type DocumentFilter,
  type DocumentList,
} from "#store/documents.ts";
import type { Pool } from "#store/pool.ts";
import { queries } from "#store/statements.ts";
import { swapView } from "#store/subscriptions.ts";
import type { TestDatabase } from "#test/database.ts";
import { openTestPool } from "#test/support/pools.ts";
import { closeStore, openStore } from "#test/support/store.ts";
import { traceOf } from "#test/support/trace.ts";
import { stepOf, tableOf } from "#test/support/views.ts";

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
  await ensureView(pool, tableOf(name, { filterFields: ["kind", "day", quote] }));
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
  await applyProjection(pool, stepOf(name, { toPosition: 40 }), changes.map(changeText));
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
    await ensureView(pool, tableOf("large", { filterFields: ["kind"] }));
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

describe("how far a view is", () => {
  beforeAll(() => fill("shared"));

  const positions = async (): Promise<readonly unknown[]> => {
    const list = { filters: [], newest: true, limit: 1 };
    return [
      (await readDocuments(pool, "shared", [])).position,
      (await listDocuments(pool, "shared", list)).position,
      (await readCheckpoints(pool, 5_000)).get("shared"),
    ];
  };

  test("it is as far as the slowest partition when it has several", async () => {
    expect(await positions()).toEqual([40, 40, 40]);
    await sql`insert into varve.checkpoints (subscription, partition, position)
      values ('shared', 1, 30), ('shared', 2, 35)`;
    expect(await positions()).toEqual([30, 30, 30]);
    await sql`update varve.checkpoints set position = 50
      where subscription = 'shared' and partition > 0`;
    expect(await positions()).toEqual([40, 40, 40]);
  });

  test("it is at the beginning when nobody has kept it yet", async () => {
    await sql`delete from varve.checkpoints where subscription = 'shared'`;
    expect(await positions()).toEqual([0, 0, undefined]);
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
  const view = tableOf("made", { filterFields: ["kind"] });

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

  test("view is built beside the one that serves when its version is another", async () => {
    await fill("raised");
    expect(await ensureView(pool, tableOf("raised", { version: 2 }))).toBe(true);
    const { position, documents } = await readDocuments(pool, "raised", [keyOf(1)]);
    expect([position, documents.length]).toEqual([40, 1]);
    expect((await readCheckpoints(pool, 5_000)).get("raised:building")).toBe(0);
    const further = { fromPosition: 40, toPosition: 50 };
    expect(await applyProjection(pool, stepOf("raised", further), [])).toBe(true);
    expect(await ensureView(pool, tableOf("raised", { version: 2 }))).toBe(false);
    expect(await ensureView(pool, tableOf("raised", { version: 1 }))).toBe(false);
  });

  test("what has ended workers is known of the version that serves when it was found while it was built", async () => {
    await fill("swapped");
    await ensureView(pool, tableOf("swapped", { version: 2, startPosition: 40 }));
    const crash = { position: 41, attemptsMax: 3, delayMs: 10 };
    await recordCrash(pool, [{ ...crash, subscription: "swapped:building" }]);
    const before = { ...crash, subscription: "swapped", position: 42 };
    await recordCrash(pool, [before]);
    expect(await swapView(pool, "swapped")).toBe("done");
    const suspects = await sql`select subscription, position::int from varve.suspects order by 2`;
    expect([...suspects]).toEqual([
      { subscription: "swapped", position: 41 },
      { subscription: "swapped:previous", position: 42 },
    ]);
  });

  test("view is made whole when its name and fields need quoting", async () => {
    const odd = tableOf('odd "name', { filterFields: [quote] });
    expect(await ensureView(pool, odd)).toBe(true);
    expect(await readDocuments(pool, odd.name, ["x"])).toEqual({ position: 0, documents: [] });
  });
});
