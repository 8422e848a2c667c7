import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "bun:test";

import { uuidv7 } from "#kernel/ids.ts";
import { ensureView } from "#store/documents.ts";
import { allViews, ensureViews } from "#test/support/loops.ts";
import { endServices, runVerb } from "#test/support/service.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";
import { leaseViews, tableOf } from "#test/support/views.ts";

let store: TestStore;
let serviceUrl = "";
let role = "";

/** The service's own role, as an operator makes it. */
beforeEach(async () => {
  store = await openStore();
  role = `service_${crypto.randomUUID().slice(0, 8)}`;
  await store.sql.unsafe(`create role ${role} login password 'secret' in role varve_app`);
  const url = new URL(store.database.url);
  url.username = role;
  url.password = "secret";
  serviceUrl = url.href;
  await ensureViews(store.pool, allViews);
  await leaseViews(store.pool, uuidv7(), allViews);
});
afterEach(async () => {
  await endServices();
  await store.sql.unsafe(`drop role ${role}`);
  await closeStore(store);
});

type Diagnosis = Readonly<Record<"check" | "status" | "says" | "remedy", string>>;

/** What the doctor says that is not ok, and how it ends. In development unless told. */
async function examined(
  databaseUrl: string,
  environment: Readonly<Record<string, string>> = { APP_ENV: "development" },
) {
  const { code, stdout } = await runVerb(["doctor", "--json"], { databaseUrl, environment });
  const { ok, checks } = JSON.parse(stdout) as { ok: boolean; checks: readonly Diagnosis[] };
  const found = checks
    .filter(({ status }) => status !== "ok")
    .map(({ check, status, says }) => [check, status, says]);
  return { code, ok, found: found as readonly (readonly unknown[])[] };
}

const notDurable = (status: string): readonly unknown[] => [
  "durability",
  status,
  expect.stringContaining("fsync=off"),
];

test("doctor finds an installation fit when the service's role may only call functions", async () => {
  expect(await examined(serviceUrl)).toEqual({ code: 0, ok: true, found: [notDurable("warn")] });
});

test("doctor ends with 1 when production trades durability away", async () => {
  expect(await examined(serviceUrl, {})).toEqual({
    code: 1,
    ok: false,
    found: [["encryption", "warn", "the connection is not encrypted"], notDurable("fail")],
  });
});

test("doctor warns when the service connects as a superuser", async () => {
  const says = "the service connects as a superuser and could write past the functions";
  expect(await examined(store.database.url)).toEqual({
    code: 0,
    ok: true,
    found: [notDurable("warn"), ["rights", "warn", says]],
  });
});

test("doctor fails when the role may not append", async () => {
  await store.sql.unsafe(`revoke varve_app from ${role}`);
  const { code, found } = await examined(serviceUrl);
  expect(code).toBe(1);
  expect(found).toEqual([
    notDurable("warn"),
    ["schema", "fail", "database-refused: the database answered 42501"],
    ["rights", "fail", "this role may not call varve.append_events"],
  ]);
});

test("doctor asks nothing of the schema when it is not there", async () => {
  await store.sql`drop schema varve cascade`;
  expect(await examined(store.database.url)).toEqual({
    code: 1,
    ok: false,
    found: [
      notDurable("warn"),
      ["schema", "fail", expect.stringContaining("first 0001_event_log")],
      ["rights", "warn", "there is no varve.append_events yet"],
    ],
  });
});

test("doctor warns a week before a month has no partition, and fails a day before", async () => {
  await store.sql`update varve.event_partitions set state = 'archived' where lower_bound > now()`;
  const missingIn = async (days: number) => {
    await store.sql`
      update varve.event_partitions set upper_bound = now() + make_interval(hours => ${days * 24 - 1})
       where state = 'attached'`;
    const { code, found } = await examined(serviceUrl);
    return { code, found };
  };
  const row = (status: string): readonly unknown[] => [
    "partitions",
    status,
    expect.stringContaining("is missing from"),
  ];
  expect(await missingIn(8)).toEqual({ code: 0, found: [notDurable("warn")] });
  expect(await missingIn(7)).toEqual({ code: 0, found: [notDurable("warn"), row("warn")] });
  expect(await missingIn(1)).toEqual({ code: 1, found: [notDurable("warn"), row("fail")] });
});

test("doctor warns when nobody works for a subscription", async () => {
  await store.sql`update varve.leases set expires_at = now() where subscription = 'orders'`;
  expect((await examined(serviceUrl)).found).toEqual([
    notDurable("warn"),
    ["workers", "warn", "nobody works for orders"],
  ]);
});

test("doctor tells a view that nobody declares from one that nobody works for when both stand still", async () => {
  await ensureView(store.pool, tableOf("parcels"));
  const workers = async () => {
    const { stdout } = await runVerb(["doctor", "--json"], { databaseUrl: serviceUrl });
    const { checks } = JSON.parse(stdout) as { checks: readonly Diagnosis[] };
    return checks.find(({ check }) => check === "workers");
  };
  const takeAway =
    "finish the roll-out, give a publication its target, or take it away (docs/runbook.md)";
  expect(await workers()).toEqual({
    check: "workers",
    status: "warn",
    says: "this program does not run parcels",
    remedy: takeAway,
  });
  await store.sql`update varve.leases set expires_at = now() where subscription = 'orders'`;
  expect(await workers()).toEqual({
    check: "workers",
    status: "warn",
    says: "nobody works for orders; this program does not run parcels",
    remedy: `start the service; if it runs, its log says why its worker does not; ${takeAway}`,
  });
});

test("doctor fails when a master key has other bytes, and leaves no trace of a new one", async () => {
  const canaries = () => store.sql`select kek_id from varve.key_canaries`;
  await examined(serviceUrl);
  expect([...(await canaries())]).toEqual([]);
  const wrapped = "01".repeat(62);
  await store.sql`insert into varve.key_canaries values ('test', decode(${wrapped}, 'hex'))`;
  const { code, found } = await examined(serviceUrl);
  expect(code).toBe(1);
  expect(found).toContainEqual([
    "keys",
    "fail",
    expect.stringContaining('configuration-invalid: PII_MASTER_KEYS has other bytes for "test"'),
  ]);
});

test("doctor says whether months can be archived, and leaves nothing, when there is a folder", async () => {
  const folder = mkdtempSync(join(tmpdir(), "varve-doctor-"));
  mkdirSync(join(folder, "there"));
  writeFileSync(join(folder, "there", "mine.part"), "");
  writeFileSync(join(folder, "file"), "");
  const archive = async (where: string, months: Readonly<Record<string, string>> = {}) => {
    const { stdout } = await runVerb(["doctor", "--json"], {
      databaseUrl: serviceUrl,
      environment: { APP_ENV: "development", ARCHIVE_DIR: join(folder, where), ...months },
    });
    const { checks } = JSON.parse(stdout) as { checks: readonly Diagnosis[] };
    return checks.flatMap(({ check, status, says }) =>
      check === "archive" ? [status, says.replaceAll(folder, "")] : [],
    );
  };
  try {
    expect([
      await archive("there"),
      await archive("not/yet"),
      await archive("file/below"),
      await archive("file/below", { EVENT_RETENTION_MONTHS: "3" }),
    ]).toEqual([
      ["ok", "/there can be written to"],
      ["ok", "/not/yet is not there and can be made; a volume that is not mounted looks so"],
      ["warn", "/file/below cannot be used: ENOTDIR"],
      ["fail", "/file/below cannot be used: ENOTDIR"],
    ]);
    expect(readdirSync(folder, { encoding: "utf8", recursive: true }).toSorted()).toEqual([
      "file",
      "there",
      "there/mine.part",
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 30_000);

test("doctor ends with 69 when the database does not answer, and 78 on a wrong setting", async () => {
  const gone = await examined("postgres://nobody:nothing@127.0.0.1:1/none");
  expect([gone.code, gone.found.map(([check]) => check)]).toEqual([69, ["database"]]);
  const wrong = await examined(serviceUrl, { PORT: "x", DB_PREPARE: "maybe" });
  expect([wrong.code, wrong.found.map(([check]) => check)]).toEqual([
    78,
    ["configuration", "configuration"],
  ]);
});

test("doctor says what to do in a line of its own when it writes text", async () => {
  const { stdout } = await runVerb(["doctor"], { databaseUrl: serviceUrl });
  expect(stdout).toContain("ok   schema");
  expect(stdout).toMatch(/^FAIL durability .*\n {5}→ set them to on/m);
});
