import { expect, test } from "bun:test";

import type { Logger } from "#kernel/log.ts";
import type { Pool } from "#store/pool.ts";
import { auditProof, readProof, type ProofFault } from "#store/proofs.ts";
import { swapView } from "#store/subscriptions.ts";
import { startAudit } from "#subscription/audit.ts";
import { archiveOnly } from "#test/support/absent-months.ts";
import { appendAll, appendTo } from "#test/support/appends.ts";
import { settleMonth } from "#test/support/months.ts";
import {
  allAgrees,
  audit,
  declare,
  mail,
  moveByHand,
  pass,
  settle,
  standing,
  useProofs,
} from "#test/support/proofs.ts";
import { openTestPool } from "#test/support/pools.ts";
import { until } from "#test/until.ts";

const store = useProofs();

const tenEvents = () => appendAll(store.pool, appendTo("a", 0, 10));

test("audit waits for an archived month, and goes on when it is there again", async () => {
  const { name: month } = await settleMonth(store.sql, {
    monthsAgo: 1,
    streams: ["a", "b", "a", "c"],
  });
  await appendAll(store.pool, appendTo("d", 0, 4));
  await pass(store, mail, { from: 0, to: 8 });
  await archiveOnly(store.sql, [month]);
  expect(await audit(store.pool, mail)).toEqual({ agrees: null, blocked: month, faults: [] });
  expect((await readProof(store.pool, "mail"))?.partitions[0]?.agrees).toBe(null);
  await archiveOnly(store.sql, []);
  expect(await audit(store.pool, mail)).toEqual(allAgrees);
});

test("audit tells once of positions skipped in an archived month, and names them later", async () => {
  const { name: month } = await settleMonth(store.sql, { monthsAgo: 1, streams: ["a", "b", "a"] });
  await appendAll(store.pool, appendTo("d", 0, 5));
  await pass(store, mail, { from: 0, to: 1 });
  await moveByHand(store, mail, 4);
  await pass(store, mail, { from: 4, to: 6 });
  await moveByHand(store, mail, 7);
  await archiveOnly(store.sql, [month]);
  const { faults, ...end } = await audit(store.pool, mail);
  expect(end).toEqual({ agrees: null, blocked: month });
  expect(faults.map(({ positions, total }) => [positions, total])).toEqual([
    [[7], 1],
    [[], null],
  ]);
  expect(await audit(store.pool, mail)).toEqual({ ...end, faults: [] });
  await pass(store, mail, { from: 7, to: 8 });
  expect(await audit(store.pool, mail)).toEqual({ ...end, faults: [] });
  await archiveOnly(store.sql, []);
  expect(await audit(store.pool, mail)).toEqual({ ...allAgrees, agrees: false });
  expect(await standing(store.pool, mail)).toEqual(["skipped 2 3 4", "skipped 7"]);
});

test("audit tells at once of a checkpoint past the log's end, and names what comes there", async () => {
  await tenEvents();
  await pass(store, mail, { from: 0, to: 10 });
  expect(await audit(store.pool, mail)).toEqual(allAgrees);
  await moveByHand(store, mail, 13);
  const fault = { kind: "skipped", afterPosition: 10, toPosition: 13, positions: [], total: null };
  const unsure = { agrees: null, blocked: null };
  expect(await audit(store.pool, mail)).toMatchObject({ ...unsure, faults: [fault] });
  expect((await readProof(store.pool, "mail"))?.partitions[0]?.agrees).toBe(false);
  await appendAll(store.pool, appendTo("a", 10, 2));
  expect(await audit(store.pool, mail)).toEqual({ ...unsure, faults: [] });
  await appendAll(store.pool, appendTo("b", 0, 3));
  await pass(store, mail, { from: 13, to: 15 });
  expect(await audit(store.pool, mail)).toEqual({ ...allAgrees, agrees: false });
  expect(await standing(store.pool, mail)).toEqual(["skipped 11 12 13"]);
});

test("checkpoint past the log's end is no fault when it is brought back in time", async () => {
  await tenEvents();
  await pass(store, mail, { from: 0, to: 10 });
  await moveByHand(store, mail, 13);
  await audit(store.pool, mail);
  await moveByHand(store, mail, 10);
  await appendAll(store.pool, appendTo("b", 0, 5));
  await pass(store, mail, { from: 10, to: 15 });
  expect(await audit(store.pool, mail)).toEqual(allAgrees);
  expect(await standing(store.pool, mail)).toEqual([]);
});

test("audit compares nothing while what was doubled lies in an archived month", async () => {
  const { name: month } = await settleMonth(store.sql, { monthsAgo: 1, streams: ["a", "b", "a"] });
  await appendAll(store.pool, appendTo("d", 0, 2));
  await pass(store, mail, { from: 0, to: 5 });
  expect(await audit(store.pool, mail)).toEqual(allAgrees);
  await moveByHand(store, mail, 2);
  await pass(store, mail, { from: 2, to: 5 });
  await archiveOnly(store.sql, [month]);
  const fault = { kind: "doubled", positions: [], total: null };
  const waiting = { agrees: null, blocked: month };
  expect(await audit(store.pool, mail)).toMatchObject({ ...waiting, faults: [fault] });
  expect(await audit(store.pool, mail)).toEqual({ ...waiting, faults: [] });
  await archiveOnly(store.sql, []);
  expect(await audit(store.pool, mail)).toEqual({ ...allAgrees, agrees: false });
  expect(await standing(store.pool, mail)).toEqual(["doubled 3 4 5"]);
});

test("audit names what was skipped by the filter and partitions of that time", async () => {
  const shared = { name: "shared", partitions: 4 };
  await declare(store.pool, shared);
  await appendAll(store.pool, ...["a", "b", "c", "d", "e", "f"].map((id) => appendTo(id, 0)));
  for (const partition of [0, 1, 2, 3]) await moveByHand(store, shared, 6, partition);
  await declare(store.pool, { name: "shared", partitions: 1, eventTypes: ["Other"] });
  await audit(store.pool, { name: "shared" });
  const { faults = [], partitions } = (await readProof(store.pool, "shared")) ?? {};
  expect(new Set(faults.flatMap(({ positions }) => positions))).toEqual(
    new Set([1, 2, 3, 4, 5, 6]),
  );
  expect(faults.reduce((sum, { total }) => sum + (total ?? 0), 0)).toBe(6);
  expect(new Set(faults.map(({ partition }) => partition)).size).toBeGreaterThan(1);
  expect(partitions?.map(({ agrees }) => agrees)).toEqual([true]);
});

test("audit of new partitions owes nothing to the faults of those before", async () => {
  await tenEvents();
  await pass(store, mail, { from: 0, to: 4 });
  await moveByHand(store, mail, 6);
  expect((await audit(store.pool, mail)).faults).toMatchObject([{ positions: [5, 6] }]);
  await moveByHand(store, mail, 8);
  const shared = { name: "mail", partitions: 2 };
  await declare(store.pool, shared);
  for (const partition of [0, 1]) {
    await pass(store, shared, { partition, from: 8, to: 10 });
    expect(await audit(store.pool, shared, { partition })).toMatchObject({ agrees: true });
  }
  expect(await standing(store.pool, mail)).toEqual(["skipped 5 6", "skipped 7 8"]);
});

test("audit goes with its view when that is swapped in", async () => {
  await store.sql`select varve.ensure_view('things', 1, '{}', 'f1', '{Happened}', 1, 0)`;
  await tenEvents();
  await pass(store, { name: "things" }, { from: 0, to: 5 });
  await moveByHand(store, { name: "things" }, 10);
  await audit(store.pool, { name: "things" });
  await store.sql`select varve.rebuild_view('things')`;
  await pass(store, { name: "things:building" }, { from: 0, to: 10 });
  expect(await audit(store.pool, { name: "things:building" })).toEqual(allAgrees);
  expect(await swapView(store.pool, "things")).toBe("done");
  expect(await standing(store.pool, { name: "things" })).toEqual([]);
  expect(await audit(store.pool, { name: "things" })).toEqual(allAgrees);
  expect(await standing(store.pool, { name: "things:previous" })).toEqual(["skipped 6 7 8 9 10"]);
});

test("audit of a view that is built once more knows nothing of letters before", async () => {
  await store.sql`select varve.ensure_view('things', 1, '{}', 'f1', '{Happened}', 1, 0)`;
  await tenEvents();
  const building = { name: "things:building" };
  await store.sql`select varve.rebuild_view('things')`;
  await pass(store, building, { from: 0, to: 10, failed: [3, 4] });
  await store.sql`select varve.discard_dead_letter(id, 'why') from varve.dead_letters where position = 3`;
  await store.sql`select varve.drop_view_version('things', 'building')`;
  await store.sql`select varve.rebuild_view('things')`;
  await pass(store, building, { from: 0, to: 10 });
  expect(await audit(store.pool, building)).toEqual(allAgrees);
});

test("audit of a subscription that is not there finds nothing", async () => {
  expect(await auditProof(store.pool, { subscription: "nobody", partition: 0 }, 10)).toEqual({
    more: false,
    agrees: null,
    blocked: null,
    faults: [],
  });
});

test("audit counts a hundred thousand events in bounded steps", async () => {
  const streams = Array.from({ length: 100_000 }, (_, index) => `s-${index % 100}`);
  await settleMonth(store.sql, { monthsAgo: 0, streams });
  await store.sql`
    select varve.advance_checkpoint('mail', 0, 0, 0, 100000,
      (select jsonb_agg(n) from generate_series(1, 100000) n where n <> 77777), '[]', '[]')`;
  const steps = [];
  for (let more = true; more;) {
    const step = await auditProof(store.pool, { subscription: "mail", partition: 0 }, 20_000);
    steps.push([step.agrees, step.faults.map(({ kind, positions }) => [kind, positions])]);
    ({ more } = step);
  }
  const onItsWay = [null, []];
  expect(steps).toEqual([
    ...Array.from({ length: 4 }, () => onItsWay),
    [false, []],
    ...Array.from({ length: 3 }, () => onItsWay),
    [null, [["skipped", [77_777]]]],
    [false, []],
  ]);
}, 60_000);

/** What an audit logs, whom it tells, and how often it looked around. */
function listening(pool: Pool) {
  const lines: unknown[] = [];
  const told: [string, ProofFault][] = [];
  let rounds = 0;
  const keep =
    (level: string): Logger["info"] =>
    (fields, message) =>
      void lines.push([level, { ...fields, error: undefined }, message]);
  const log = {
    debug: keep("debug"),
    info: keep("info"),
    warn: keep("warn"),
    error: keep("error"),
  };
  const onFault = (subscription: string, fault: ProofFault): void =>
    void told.push([subscription, fault]);
  const held = () => {
    rounds += 1;
    return ["gone", "mail"].map((subscription) => ({ subscription, partition: 0 }));
  };
  const stop = startAudit({ pool, held, everyMs: 5, log, onFault });
  return { lines, told, rounds: () => rounds, stop };
}

test("audit raises one alarm of a fault, beside those who hear of it", async () => {
  await tenEvents();
  await pass(store, mail, { from: 0, to: 4 });
  await moveByHand(store, mail, 6);
  const { lines, told, stop } = listening(store.pool);
  await until("the alarm", () => told.length > 0);
  await pass(store, mail, { from: 6, to: 10 });
  await until("the audit has come to the end", async () => {
    const proof = await readProof(store.pool, "mail");
    return proof?.partitions[0]?.log.position === 10;
  });
  await stop();
  const found = {
    partition: 0,
    kind: "skipped",
    afterPosition: 4,
    toPosition: 6,
    positions: [5, 6],
    total: 2,
  } as const;
  expect(told).toEqual([["mail", found]]);
  expect(lines).toEqual([
    ["error", { alarm: true, subscription: "mail", ...found }, "a subscription skipped positions"],
  ]);
});

test("audit says once that it waits for a month", async () => {
  const { name: month } = await settleMonth(store.sql, { monthsAgo: 1, streams: ["a"] });
  await pass(store, mail, { from: 0, to: 1 });
  await archiveOnly(store.sql, [month]);
  const { lines, rounds, stop } = listening(store.pool);
  await until("it has tried again", () => rounds() > 3);
  await stop();
  const fields = { subscription: "mail", partition: 0, month };
  expect(lines).toEqual([["warn", fields, "an audit waits for an archived month"]]);
});

test("audit tries again at the next time when the database does not answer", async () => {
  const url = new URL(store.database.url);
  url.port = "1";
  const away = openTestPool(url.href);
  const { lines, rounds, stop } = listening(away);
  await until("it has tried again", () => rounds() > 2);
  await stop();
  await away.close(0);
  const failed = (subscription: string) => [
    "warn",
    { code: "database-unavailable", subscription, partition: 0 },
    "an audit failed",
  ];
  expect(lines.slice(0, 3)).toEqual([failed("gone"), failed("mail"), failed("gone")]);
});

test("audits beside a subscription that moves on raise no alarm, and hold nothing up", async () => {
  await appendAll(store.pool, appendTo("a", 0, 900));
  const audits = [listening(store.pool), listening(store.pool)];
  for (let from = 0; from < 900; from += 3) {
    await pass(store, mail, { from, to: from + 3, failed: from % 9 === 0 ? [from + 2] : [] });
    if (from % 18 === 0) await settle(store, mail, { position: from + 2 });
  }
  await Promise.all(audits.map(({ stop }) => stop()));
  expect(audits.flatMap(({ lines }) => lines)).toEqual([]);
  expect(await audit(store.pool, mail)).toEqual(allAgrees);
});
