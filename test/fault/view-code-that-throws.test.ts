import { afterEach, beforeEach, expect, test } from "bun:test";
import type postgres from "postgres";

import { defineView, type View } from "#domain/decider.ts";
import { retryDeadLetters } from "#store/dead-letters.ts";
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
/** Positions: a 1 to 10; b 11 to 13. */
beforeEach(async () => {
  ({ database, pool, sql } = await openStore());
  mended = false;
  await ensureViews(pool, views);
  await appendAll(pool, appendTo("a", 0, 10), appendTo("b", 0, 3));
});
afterEach(async () => {
  await assertNothingLeftOpen(database.url);
  await closeStore({ database, pool, sql });
});

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

const reached = (view: string, position: number) =>
  until(`${view} reaches ${position}`, async () => (await checkpoint(view)) === position);

const versionsIn = async (view: string) => {
  const rows = await sql<{ key: string; document: Versions }[]>`
    select key, document from varve_views.${sql(view)}`;
  return Object.fromEntries(rows.map(({ key, document }) => [key, document.versions]));
};

const letters = async () => {
  const rows = await sql`
    select kind, key, position::int, error_code, state, attempts, due_at is not null as due
      from varve.dead_letters where subscription = 'broken' order by position`;
  return rows.map((row) => Object.values(row).join(" "));
};

const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);
const whole = { a: upTo(10), b: upTo(3) };

test("event on which a view's code throws is put aside with what follows it, and all others go on", async () => {
  const loop = startLoop({ pool, views, batchSize: 5 });
  const reportOf = (name: string) => loop.report().find((report) => report.name === name);
  await Promise.all([reached("sound", 13), reached("broken", 13)]);
  expect([await versionsIn("sound"), await versionsIn("broken")]).toEqual([
    whole,
    { a: upTo(6), b: upTo(3) },
  ]);
  const behind = [8, 9, 10].map(
    (position) => `document a ${position} behind-dead-letter waiting 0 false`,
  );
  const failed = `document a ${POISON} view-failed waiting 4 false`;
  await until("it waits for a person", async () => (await letters())[0] === failed);
  expect(await letters()).toEqual([failed, ...behind]);
  await until("both are live", () => loop.report().every(({ state }) => state === "live"));
  expect(reportOf("sound")).toMatchObject({ eventsFailed: 0, errorsLastMinute: 0 });
  const counts = { eventsFailed: 1, errorsLastMinute: 4, lastError: "view-failed" };
  expect(reportOf("broken")).toMatchObject({ halted: false, ...counts });
  expect(loop.failures.map(({ code, attempt, outcome }) => [code, attempt, outcome])).toEqual([
    ["view-failed", 1, "retried"],
    ["view-failed", 2, "retried"],
    ["view-failed", 3, "retried"],
    ["view-failed", 4, "put-aside"],
  ]);

  mended = true;
  expect(await retryDeadLetters(pool, { subscription: "broken" })).toBe(1);
  const isDone = (line: string) => line.includes(" resolved ");
  await until("nothing waits", async () => (await letters()).every(isDone));
  expect(await versionsIn("broken")).toEqual(whole);
  await loop.stop();
});

test("view stops in front of the event on which its code throws when it may not put events aside", async () => {
  const loop = startLoop({ pool, views, batchSize: 5, continueOnError: false });
  const reportOf = (name: string) => loop.report().find((report) => report.name === name);
  const isTried = () => (reportOf("broken")?.errorsLastMinute ?? 0) >= 3;
  await until("it was tried again and again", isTried);
  await reached("sound", 13);
  expect([await checkpoint("broken"), await letters()]).toEqual([POISON - 1, []]);
  expect([await versionsIn("sound"), await versionsIn("broken")]).toEqual([whole, { a: upTo(6) }]);
  const stopped = { state: "error", halted: true, eventsFailed: 1, lastError: "view-failed" };
  expect(reportOf("broken")).toMatchObject(stopped);
  const sound = { state: "live", eventsFailed: 0, errorsLastMinute: 0, lastError: null };
  expect(reportOf("sound")).toMatchObject(sound);
  expect(new Set(loop.codes)).toEqual(new Set(["view-failed"]));

  mended = true;
  await reached("broken", 13);
  await until("it is live", () => reportOf("broken")?.state === "live");
  expect(await versionsIn("broken")).toEqual(whole);
  expect(reportOf("broken")).toMatchObject({ halted: false, eventsFailed: 1, lastError: null });
  await loop.stop();
});
