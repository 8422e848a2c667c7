import { randomBytes } from "node:crypto";

import { afterEach, beforeEach, expect, test } from "bun:test";

import { appendAll, appendTo } from "#test/support/appends.ts";
import { openTestPool } from "#test/support/pools.ts";
import { openStage, type Stage } from "#test/support/stage.ts";
import { upTo, versionsView } from "#test/support/watched.ts";
import { until } from "#test/until.ts";

let stage: Stage;
beforeEach(async () => {
  stage = await openStage();
});
afterEach(() => stage.close());

const views = [versionsView("refused"), versionsView("sound")];

type Loop = Awaited<ReturnType<Stage["follow"]>>;

const isResting = (loop: Loop, name: string) =>
  until(`${name} rests`, () => {
    const report = loop.report().find((one) => one.name === name);
    return report?.state === "error" && report.errorsLastMinute >= 2;
  });

/** What was told of it: code, category, outcome. */
const toldOf = (loop: Loop, name: string) =>
  new Set(
    loop.failures
      .filter(({ subscription }) => subscription === name)
      .map(({ code, category, outcome }) => `${code} ${category} ${outcome}`),
  );

const appendMore = async (loop: Loop) => {
  await appendAll(stage.pool, appendTo("a", 3, 2), appendTo("b", 0, 2));
  loop.wake();
};

const whole = { a: upTo(5), b: upTo(2) };

/** It has lost nothing and put nothing aside, and is well again. */
async function isMended(loop: Loop): Promise<void> {
  await stage.reached("refused", 7);
  await until("it is live", loop.isLive);
  expect([await stage.versions("refused"), await stage.versions("sound")]).toEqual([whole, whole]);
  expect([await stage.letters("refused"), await stage.proofFaults("refused")]).toEqual([[], []]);
  expect(loop.report().map(({ lastError, eventsFailed }) => [lastError, eventsFailed])).toEqual([
    [null, 0],
    [null, 0],
  ]);
}

test("view rests, and goes on by itself, when its table is gone and comes back", async () => {
  const { pool, sql } = stage;
  await appendAll(pool, appendTo("a", 0, 3));
  const loop = await stage.follow({ views });
  await stage.reached("refused", 3);
  await sql`alter table varve_views.refused_v1 rename to elsewhere`;
  await appendMore(loop);
  await stage.reached("sound", 7);
  await isResting(loop, "refused");
  expect(await stage.checkpoint("refused")).toBe(3);
  expect(toldOf(loop, "refused")).toEqual(new Set(["database-refused infrastructure paused"]));
  expect(loop.codes).toEqual(["database-refused"]);
  await sql`alter table varve_views.elsewhere rename to refused_v1`;
  await isMended(loop);
});

test("views rest, and go on by themselves, when a right is taken and given back", async () => {
  const { database, pool, sql } = stage;
  await appendAll(pool, appendTo("a", 0, 3));
  const role = `varve_fault_${randomBytes(4).toString("hex")}`;
  await sql.unsafe(`create role ${role} login password 'only-here' in role varve_app`);
  const url = new URL(database.url);
  [url.username, url.password] = [role, "only-here"];
  const own = openTestPool(url.href);
  const loop = await stage.follow({ views, pool: own });
  await stage.reached("refused", 3);
  await stage.reached("sound", 3);
  const functions = ["bigint, jsonb, jsonb, jsonb, jsonb", "bigint, jsonb, jsonb, jsonb"].map(
    (rest, index) =>
      `varve.${index === 0 ? "apply_projection" : "advance_checkpoint"}(text, integer, bigint, bigint, ${rest})`,
  );
  await sql.unsafe(`revoke execute on function ${functions.join(", ")} from varve_app`);
  await appendMore(loop);
  await isResting(loop, "refused");
  await isResting(loop, "sound");
  expect([await stage.checkpoint("refused"), await stage.checkpoint("sound")]).toEqual([3, 3]);
  expect(toldOf(loop, "sound")).toEqual(new Set(["database-refused infrastructure paused"]));
  await sql.unsafe(`grant execute on function ${functions.join(", ")} to varve_app`);
  await stage.reached("sound", 7);
  await isMended(loop);
  await loop.stop();
  await own.close(1_000);
  await sql.unsafe(`drop role ${role}`);
});

test("views rest, and go on by themselves, when all checkpoints are locked for long", async () => {
  const { pool, sql } = stage;
  await appendAll(pool, appendTo("a", 0, 3));
  const loop = await stage.follow({ views });
  await stage.reached("refused", 3);
  await stage.reached("sound", 3);
  await sql.unsafe("begin; lock table varve.checkpoints in access exclusive mode");
  await appendMore(loop);
  await isResting(loop, "refused");
  await isResting(loop, "sound");
  await sql.unsafe("commit");
  await stage.reached("sound", 7);
  await isMended(loop);
  expect(toldOf(loop, "refused")).toEqual(new Set(["database-timeout infrastructure paused"]));
}, 30_000);
