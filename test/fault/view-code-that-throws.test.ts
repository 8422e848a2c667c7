import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import type postgres from "postgres";

import { defineView, type View } from "#domain/decider.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, type TestDatabase } from "#test/database.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { ensureViews, startLoop } from "#test/support/loops.ts";
import { closeStore, openStore } from "#test/support/store.ts";
import { until } from "#test/until.ts";

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
let mended = false;
beforeAll(async () => {
  ({ database, pool, sql } = await openStore());
});
afterEach(() => assertNothingLeftOpen(database.url));
afterAll(() => closeStore({ database, pool, sql }));

type Happened = { readonly type: "Happened"; readonly payload: unknown };
type Versions = { readonly versions: readonly number[] };

const POISON = 7;

/** Keeps the versions of each stream; `check` may throw. */
const versionsView = (name: string, check: (position: number) => void): View =>
  defineView<Versions, Happened>({
    name,
    version: 1,
    events: ["Happened"],
    key: (event) => event.aggregateId,
    project: (document, { version, position }) => {
      check(position);
      return { versions: [...(document?.versions ?? []), version] };
    },
    byKey: true,
  });

const views = [
  versionsView("sound", () => undefined),
  versionsView("broken", (position) => {
    if (position === POISON && !mended) throw new TypeError("document.customer is undefined");
  }),
];

const checkpoint = async (view: string): Promise<number> => {
  const [row] = await sql<{ position: number }[]>`
    select position::int from varve.checkpoints where subscription = ${view}`;
  return row?.position ?? -1;
};

const versionsIn = async (view: string) => {
  const rows = await sql<{ document: Versions }[]>`
    select document from varve_views.${sql(view)} where key = 'a'`;
  return rows[0]?.document.versions;
};

const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

test("one view stays where it is and the other goes on when its code throws", async () => {
  await ensureViews(pool, views);
  await appendAll(pool, appendTo("a", 0, 5));
  const loop = startLoop({ pool, views, batchSize: 5 });
  const reportOf = (name: string) => loop.report().find((report) => report.name === name);
  await until("both have read the first page", async () => (await checkpoint("broken")) === 5);

  await appendAll(pool, appendTo("a", 5, 5));
  loop.wake();
  await until("it has been tried again", () => (reportOf("broken")?.errorsLastMinute ?? 0) >= 3);
  await appendAll(pool, appendTo("a", 10, 7));
  loop.wake();
  await until("the sound view is at the head", async () => (await checkpoint("sound")) === 17);
  expect(await checkpoint("broken")).toBe(5);
  expect([await versionsIn("sound"), await versionsIn("broken")]).toEqual([upTo(17), upTo(5)]);
  expect(reportOf("broken")).toMatchObject({
    held: true,
    state: "error",
    eventsFailed: 1,
    lastError: "view-failed",
  });
  await until("the sound view is live", () => reportOf("sound")?.state === "live");
  expect(reportOf("sound")).toMatchObject({
    eventsFailed: 0,
    errorsLastMinute: 0,
    lastError: null,
  });
  expect(new Set(loop.codes)).toEqual(new Set(["view-failed"]));

  mended = true;
  await until("the broken view is at the head", async () => (await checkpoint("broken")) === 17);
  await until("it is live", () => reportOf("broken")?.state === "live");
  expect(await versionsIn("broken")).toEqual(upTo(17));
  expect(reportOf("broken")).toMatchObject({ eventsFailed: 1, lastError: null });
  await loop.stop();
});
