import { afterEach, beforeEach, expect, test } from "bun:test";

import { defineView, type View } from "#domain/decider.ts";
import { VarveError } from "#kernel/errors.ts";
import type { LogFields, Logger } from "#kernel/log.ts";
import type { Pool } from "#store/pool.ts";
import {
  archive,
  restore,
  settleThreeMonths,
  closeArchives,
  openArchives,
} from "#test/support/archives.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { ensureViews, startLoop } from "#test/support/loops.ts";
import type { TestStore } from "#test/support/store.ts";
import { until } from "#test/until.ts";

const counting = (name: string): View =>
  defineView<{ count: number }, { type: "Happened"; payload: unknown }>({
    name,
    version: 1,
    events: ["Happened"],
    key: () => "all",
    project: (document) => ({ count: (document?.count ?? 0) + 1 }),
    byKey: true,
  });

const [early, late] = [counting("early"), counting("late")];
const EVENTS = 52;

let store: TestStore;
let direct: Pool;
let folder: string;
beforeEach(async () => {
  ({ store, direct, folder } = await openArchives());
});
afterEach(() => closeArchives({ store, direct, folder }));

test("view says which month it needs, the others go on, and it goes on once it is restored", async () => {
  const { pool, sql } = store;
  const [first] = await settleThreeMonths(sql);
  await ensureViews(pool, [early]);
  const before = startLoop({ pool, views: [early] });
  const at = (name: string, position: number) => async () => {
    const rows = await sql`select from varve.checkpoints
      where subscription = ${name} and position = ${position}`;
    return rows.length === 1;
  };
  await until("the first view has read all", at("early", EVENTS));
  await before.stop();
  await archive(direct, first, folder);

  // A view that is new now has to begin where nothing can be read.
  await ensureViews(pool, [late]);
  const told: LogFields[] = [];
  const keep: Logger["error"] = (fields) => void told.push(fields);
  const log: Logger = { debug: keep, info: keep, warn: keep, error: keep };
  const loop = startLoop({ pool, views: [early, late], log });
  const reportOf = (name: string) => loop.report().find((one) => one.name === name);
  await until(
    "the late view has failed twice",
    () => (reportOf("late")?.errorsLastMinute ?? 0) > 1,
  );
  expect(reportOf("late")).toMatchObject({ state: "error", lastError: "partition-archived" });
  await appendAll(pool, appendTo("new", 0));
  await until("the other view goes on", at("early", EVENTS + 1));
  expect(reportOf("early")).toMatchObject({ state: "live", lastError: null });
  expect(reportOf("late")).toMatchObject({ state: "error", lastError: "partition-archived" });
  expect(told).toEqual([
    {
      subscription: "late",
      partition: 0,
      code: "partition-archived",
      category: "infrastructure",
      severity: "high",
      attempt: 1,
      outcome: "paused",
      error: expect.any(VarveError) as unknown,
      restore: `varve partitions restore ${first}`,
    },
  ]);

  await restore(direct, first);
  await until("the late view has read all", at("late", EVENTS + 1), 10_000);
  await until("the late view is live", () => reportOf("late")?.state === "live");
  expect(reportOf("late")).toMatchObject({ lastError: null, eventsFailed: 0 });
  await loop.stop();
  const documents = await sql`select document from varve_views.late`;
  expect([...documents]).toEqual([{ document: { count: EVENTS + 1 } }]);
}, 30_000);
