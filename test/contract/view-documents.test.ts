import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import type postgres from "postgres";

import { defineView, type View } from "#domain/decider.ts";
import { VarveError } from "#kernel/errors.ts";
import type { Pool } from "#store/pool.ts";
import { assertNothingLeftOpen, type TestDatabase } from "#test/database.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { ensureViews, startLoop } from "#test/support/loops.ts";
import { closeStore, openStore } from "#test/support/store.ts";
import { until } from "#test/until.ts";

let database: TestDatabase;
let pool: Pool;
let sql: postgres.Sql;
beforeAll(async () => {
  ({ database, pool, sql } = await openStore());
});
afterEach(() => assertNothingLeftOpen(database.url));
afterAll(() => closeStore({ database, pool, sql }));

type Happened = { readonly type: "Happened"; readonly payload: unknown };
type Versions = { readonly versions: readonly number[] };

/** Keeps the versions of each stream, in documents of their own. */
const versionsView = (name: string, check: (version: number) => void = () => undefined): View =>
  defineView<Versions, Happened>({
    name,
    version: 1,
    events: ["Happened"],
    key: (event) => event.aggregateId,
    project: (document, { version }) => {
      check(version);
      return { versions: [...(document?.versions ?? []), version] };
    },
    byKey: true,
    settings: { startFrom: "end", retryDelayMs: 50 },
  });

const versionsIn = async (view: string, key: string) => {
  const rows = await sql<{ document: Versions }[]>`
    select document from varve_views.${sql(view)} where key = ${key}`;
  return rows[0]?.document.versions;
};

const reaches = (view: string, key: string, versions: readonly number[]): Promise<unknown> =>
  until(`${view} has ${versions.length} versions of ${key}`, async () =>
    Bun.deepEquals(await versionsIn(view, key), versions),
  );

/** The pool, with what it was asked, and a reply that may be lost once it has come. */
function watched(isLost: (name: string, parameters: readonly unknown[]) => boolean) {
  const asked: string[] = [];
  const query: Pool["query"] = async (statement, parameters, deadlineMs) => {
    asked.push(statement.name);
    const rows = await pool.query(statement, parameters, deadlineMs);
    if (isLost(statement.name, parameters)) {
      throw new VarveError("database-unavailable", "the reply was lost");
    }
    return rows as never;
  };
  return { asked, pool: { ...pool, query } };
}

test("view folds over what another holder has written when it gets the lease back", async () => {
  const views = [versionsView("handed")];
  await ensureViews(pool, views);
  for (const version of [1, 2, 3]) {
    await appendAll(pool, appendTo("handed", version - 1));
    const loop = startLoop({ pool, views });
    await until(
      "the event is taken",
      async () => (await versionsIn("handed", "handed"))?.at(-1) === version,
    );
    await loop.stop();
  }
  expect(await versionsIn("handed", "handed")).toEqual([1, 2, 3]);
});

test("view folds over what is stored when the reply to a letter's second attempt was lost", async () => {
  let [attempts, lost] = [0, 0];
  const views = [
    versionsView("lost", (version) => {
      if (version !== 2) return;
      attempts += 1;
      if (attempts === 1) throw new TypeError("not yet");
    }),
  ];
  await ensureViews(pool, views);
  // A step that only settles letters leaves the position where it was.
  const { pool: own } = watched((name, [, , , from, to]) => {
    if (name !== "apply_projection" || from !== to) return false;
    lost += 1;
    return true;
  });
  const loop = startLoop({ pool: own, views });
  await appendAll(pool, appendTo("lost", 0, 2));
  await reaches("lost", "lost", [1, 2]);
  await appendAll(pool, appendTo("lost", 2));
  loop.wake();
  await reaches("lost", "lost", [1, 2, 3]);
  await loop.stop();
  expect([attempts, lost]).toEqual([2, 1]);
});

test("view puts aside the one document that the database refuses when a page has hundreds", async () => {
  const refusedView = defineView<{ readonly text: string }, Happened>({
    name: "refused",
    version: 1,
    events: ["Happened"],
    key: (event) => event.aggregateId,
    // What jsonb cannot hold.
    project: (_, { aggregateId }) => ({ text: aggregateId === "of-77" ? "\0" : aggregateId }),
    byKey: true,
    settings: { startFrom: "end" },
  });
  await ensureViews(pool, [refusedView]);
  const appends = Array.from({ length: 1_000 }, (_, index) => appendTo(`of-${index}`, 0));
  for (let from = 0; from < 1_000; from += 250) {
    await appendAll(pool, ...appends.slice(from, from + 250));
  }
  const { asked, pool: own } = watched(() => false);
  const loop = startLoop({ pool: own, views: [refusedView] });
  await until("all are taken", async () => {
    const [row] = await sql`select count(*)::int as documents from varve_views.refused`;
    return row?.["documents"] === 999;
  });
  await loop.stop();
  const letters = await sql`
    select stream, error_code from varve.dead_letters where subscription = 'refused'`;
  expect([...letters]).toEqual([{ stream: "Thing-of-77", error_code: "invalid-data" }]);
  // Of 800 events ten halvings find one, each with the half beside it.
  const statements = asked.filter((name) => name === "apply_projection").length;
  expect(statements).toBeLessThan(30);
});

test("view puts an event aside under its stream when no document can be kept under its key", async () => {
  // What no index takes: pseudo-random, since Postgres would compress anything else.
  const long = Array.from({ length: 3_000 }, (_, at) => String.fromCharCode(97 + (at ** 3 % 23)));
  const keys: Readonly<Record<string, unknown>> = {
    long: long.join(""),
    wide: "\u{1f600}".repeat(251),
    nul: "a\0b",
    half: "\ud800",
    number: 7,
    most: "\u{1f600}".repeat(250),
  };
  const keyedView = defineView<{ readonly id: string }, Happened>({
    name: "keyed",
    version: 1,
    events: ["Happened"],
    key: ({ aggregateId }) => (keys[aggregateId] ?? aggregateId) as string,
    project: (_, { aggregateId }) => ({ id: aggregateId }),
    byKey: true,
    settings: { startFrom: "end", retries: 0 },
  });
  await ensureViews(pool, [keyedView]);
  const loop = startLoop({ pool, views: [keyedView] });
  await appendAll(pool, ...[...Object.keys(keys), "plain"].map((id) => appendTo(id, 0)));
  loop.wake();
  await until("the last is taken", async () => {
    const rows = await sql`select key from varve_views.keyed`;
    return rows.length === 2 && rows.some(({ key }) => key === "plain");
  });
  await loop.stop();
  const letters = await sql`
    select kind, key, error_code from varve.dead_letters where subscription = 'keyed' order by id`;
  expect([...letters]).toEqual(
    ["long", "wide", "nul", "half", "number"].map((id) => ({
      kind: "stream",
      key: `Thing-${id}`,
      error_code: "invalid-data",
    })),
  );
});

test("an event meets what is stored of a document, wherever pages end", async () => {
  const dated = (name: string, batchSize: number) =>
    defineView<{ readonly seen: readonly string[]; readonly at: Date }, Happened>({
      name,
      version: 1,
      events: ["Happened"],
      key: (event) => event.aggregateId,
      project: (document, { createdAt }) => ({
        seen: [...(document?.seen ?? []), typeof document?.at],
        at: new Date(createdAt),
      }),
      byKey: true,
      settings: { startFrom: "end", batchSize },
    });
  const views = [dated("whole", 10), dated("cut", 1)];
  await ensureViews(pool, views);
  await appendAll(pool, appendTo("dated", 0, 3));
  const loop = startLoop({ pool, views });
  for (const { name } of views) {
    await until(`${name} has all`, async () => {
      const [row] = await sql`select document from varve_views.${sql(name)} where key = 'dated'`;
      return Bun.deepEquals(row?.["document"].seen, ["undefined", "string", "string"]);
    });
  }
  await loop.stop();
});
