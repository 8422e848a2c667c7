import { afterEach, beforeEach, expect, test } from "bun:test";

import { runVerb, spawnVerb, endServices } from "#test/support/service.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";
import { threeMonths } from "#test/support/verified.ts";
import { until } from "#test/until.ts";

let store: TestStore;
beforeEach(async () => {
  store = await openStore();
  await threeMonths(store);
});
afterEach(async () => {
  await endServices();
  await closeStore(store);
});

/** A server of tests trades durability away, which only production minds. */
const environment = { APP_ENV: "development" };

type Verdict = Readonly<Record<"name" | "status" | "broken" | "rows", unknown>>;

async function verified(production = false) {
  const { code, stdout } = await runVerb(["verify", "--json"], {
    databaseUrl: store.database.url,
    ...(production ? {} : { environment }),
  });
  const { ok, invariants } = JSON.parse(stdout) as { ok: boolean; invariants: readonly Verdict[] };
  const broken = invariants
    .filter(({ status }) => status !== "ok")
    .map(({ name, status }) => [name, status]);
  return { code, ok, broken };
}

test("verify ends with 0 when nothing is broken", async () => {
  expect(await verified()).toEqual({ code: 0, ok: true, broken: [["durability", "warn"]] });
});

test("verify ends with 1 when production trades durability away", async () => {
  expect(await verified(true)).toEqual({ code: 1, ok: false, broken: [["durability", "fail"]] });
});

test("verify ends with 1 and the row when an event is gone", async () => {
  await store.sql`delete from varve.events where position = 7`;
  const options = { databaseUrl: store.database.url, environment };
  const { code, stdout, stderr } = await runVerb(["verify"], options);
  expect(code).toBe(1);
  expect(stdout).toContain("FAIL positions");
  expect(stdout).toContain('"position":8,"positionBefore":6');
  expect(stdout).toContain("ok   event-ids");
  expect(stdout).toEndWith("\nbroken: positions, streams\n");
  expect(stderr).toBe("");
});

test("verify says what is pending, and asks nothing else, when the schema is not there", async () => {
  await store.sql`drop schema varve cascade`;
  expect(await verified()).toEqual({ code: 1, ok: false, broken: [["migrations", "fail"]] });
  const { stdout } = await runVerb(["verify"], { databaseUrl: store.database.url, environment });
  expect(stdout.replace(/\d+ files/, "N files").split("\n")).toEqual([
    "FAIL migrations        every migration and function of this program is applied, and none was edited",
    "     N files are pending: run `varve migrate`",
    "broken: migrations",
    "",
  ]);
});

test("verify ends with 1 when a function is another program's", async () => {
  await store.sql`update varve.schema_migrations set checksum = 'other' where name = 'log_head'`;
  const broken = [
    ["migrations", "fail"],
    ["durability", "warn"],
  ];
  expect(await verified()).toEqual({ code: 1, ok: false, broken });
  await store.sql`delete from varve.schema_migrations where name = 'log_head'`;
  const { stdout } = await runVerb(["verify"], { databaseUrl: store.database.url, environment });
  expect(stdout).toContain("none was edited\n     1 file is pending: run `varve migrate`\nwarn");
});

test("verify ends with 69 when the database does not answer", async () => {
  const { code, stderr } = await runVerb(["verify"], {
    databaseUrl: "postgres://nobody:nothing@127.0.0.1:1/none",
  });
  expect(code).toBe(69);
  expect(stderr).toContain("varve: database-unavailable");
});

test("verify ends with 78 when the configuration is invalid", async () => {
  const { code } = await runVerb(["verify"], { databaseUrl: "nothing" });
  expect(code).toBe(78);
});

test("verify ends with 130 and leaves nothing running when it is interrupted", async () => {
  await store.sql.begin(async (tx) => {
    await tx`lock table varve.streams in access exclusive mode`;
    const { child, exited } = spawnVerb(["verify"], {
      databaseUrl: store.database.url,
      environment,
    });
    const waiting = async () => {
      const rows = await tx`select from pg_locks where not granted`;
      return rows.length > 0;
    };
    await until("it waits for the lock", waiting, 15_000);
    child.kill("SIGINT");
    expect(await exited).toEqual({ code: 130, signal: null });
    expect(await waiting()).toBe(false);
  });
});
