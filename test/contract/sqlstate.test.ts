import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import type { ErrorCode, VarveError } from "#kernel/errors.ts";
import type { Pool, PoolOptions, Row } from "#store/pool.ts";
import { replyWasLost, translate } from "#store/sqlstate.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";
import { openTestPool } from "#test/support/pools.ts";
import { until } from "#test/until.ts";

let store: TestStore;
let role: string;
beforeAll(async () => {
  store = await openStore();
  role = `limited_${new URL(store.database.url).pathname.slice(1)}`;
  await store.sql.unsafe(`create role ${role} login password 'p' connection limit 1`);
  await store.sql`create table pair (id int primary key, word text)`;
  await store.sql`insert into pair values (1, 'a'), (2, 'b')`;
});
afterAll(async () => {
  await store.sql.unsafe(`drop owned by ${role}`);
  await store.sql.unsafe(`drop role ${role}`);
  await closeStore(store);
});

/** As the driver gives it; the severity is the server's own word. */
const answer = (code: string, severity = "ERROR") =>
  Object.assign(new Error("the server's words"), { code, severity });

const meanings: Readonly<Record<string, ErrorCode>> = {
  VA001: "partition-missing",
  VA004: "partition-archived",
  VA006: "schema-behind",
  VA099: "database-refused",
  "08000": "database-unavailable",
  "08006": "database-unavailable",
  "08P01": "database-unavailable",
  "0A000": "database-refused",
  "22P05": "invalid-data",
  "23505": "invalid-data",
  "23514": "invalid-data",
  "25006": "database-unavailable",
  "26000": "database-refused",
  "28000": "database-unavailable",
  "28P01": "database-unavailable",
  "3D000": "database-unavailable",
  "40001": "database-timeout",
  "40P01": "database-timeout",
  "42501": "database-refused",
  "42601": "database-refused",
  "42883": "database-refused",
  "42P01": "database-refused",
  "53000": "database-unavailable",
  "53100": "database-unavailable",
  "53200": "database-unavailable",
  "53300": "database-unavailable",
  "54000": "invalid-data",
  "55006": "database-refused",
  "55P03": "database-timeout",
  "57014": "database-timeout",
  "57P01": "database-unavailable",
  "57P02": "database-unavailable",
  "57P03": "database-unavailable",
  "57P04": "database-unavailable",
  "57P05": "database-unavailable",
  "58030": "database-unavailable",
  XX000: "database-refused",
};

describe("what the server's states mean", () => {
  test("each state is the error that callers and loops know when it is translated", () => {
    const codes = Object.keys(meanings).map((state) => [
      state,
      translate(answer(state), "statement", true).code,
    ]);
    expect(Object.fromEntries(codes)).toEqual(meanings);
  });

  test("reply may be lost when the session ended under the statement, and at no other time", () => {
    const lost = (code: string, severity: string, sent: boolean): boolean =>
      replyWasLost(translate(answer(code, severity), "statement", sent));
    expect([
      lost("57P01", "FATAL", true),
      lost("57P01", "FATAL", false),
      lost("08P01", "ERROR", true),
      lost("57014", "ERROR", true),
      lost("23505", "ERROR", true),
      lost("53300", "FATAL", false),
      replyWasLost(translate(new Error("broken"), "statement", true)),
      replyWasLost(translate(new Error("broken"), "statement", false)),
    ]).toEqual([true, false, true, false, false, false, true, false]);
  });

  test("server's words are only in the cause, since they can quote values", () => {
    const failure = translate(answer("23505"), "statement", true);
    expect(JSON.stringify([failure.message, failure.context])).not.toContain("words");
  });
});

type Seen = readonly [code: string, sqlState: unknown];
const seen = (error: VarveError): Seen => [error.code, error.context["sqlState"]];

/** What a pool of one connection says of a statement. */
async function ask(text: string, changed: Partial<PoolOptions> & { url?: string } = {}) {
  const { url = store.database.url, ...options } = changed;
  const pool = openTestPool(url, { size: 1, ...options });
  try {
    await pool.query({ name: "asked", text }, []);
    return "answered";
  } catch (error) {
    return seen(error as VarveError);
  } finally {
    await pool.close(1_000);
  }
}

function urlWith(changed: Partial<Pick<URL, "username" | "password" | "pathname">>): string {
  return Object.assign(new URL(store.database.url), changed).href;
}

describe("what the server really answers", () => {
  test.each([
    ["select 1 / 0", "invalid-data", "22012"],
    ["select * from nowhere", "database-refused", "42P01"],
    ["selec", "database-refused", "42601"],
    ["insert into pair values (1, 'again')", "invalid-data", "23505"],
  ] as const)("%p is %s when it is asked", async (text, code, state) => {
    expect(await ask(text)).toEqual([code, state]);
  });

  test.each(["table nowhere", "select nothing()", "create table nowhere.n ()"])(
    "operator is told where to look when what %p names is not there",
    async (text) => {
      const refusal = await store.pool.query({ name: "absent", text }, []).catch((e: unknown) => e);
      expect((refusal as VarveError).message).toEndWith(
        ": `varve migrate status` says what the schema lacks",
      );
    },
  );

  test("statement is a time-out when it runs too long, or waits for a lock too long", async () => {
    expect(await ask("select pg_sleep(9)", { statementTimeoutMs: 300 })).toEqual([
      "database-timeout",
      "57014",
    ]);
    await store.sql.begin(async (holder) => {
      await holder`select from pair where id = 1 for update`;
      const update = "update pair set word = 'c' where id = 1";
      expect(await ask(update, { statementTimeoutMs: 600 })).toEqual(["database-timeout", "55P03"]);
    });
  });

  test("statement is a time-out when it is the victim of a deadlock", async () => {
    const pool = openTestPool(store.database.url, { size: 1 });
    await store.sql.begin(async (other) => {
      await other`set local deadlock_timeout = '1min'`;
      await other`select from pair where id = 1 for update`;
      const text = "select id from pair order by id desc for update";
      const victim = pool.query({ name: "victim", text }, []).catch(seen);
      const waits = store.pool.query<Row & { waiting: number }>;
      await until("it holds one row and waits for the other", async () => {
        const [row] = await waits(
          {
            name: "waits",
            text: `select count(*)::int as waiting from pg_stat_activity
                    where wait_event_type = 'Lock' and query = $1`,
          },
          [text],
        );
        return row?.waiting === 1;
      });
      await other`select from pair where id = 2 for update`;
      expect(await victim).toEqual(["database-timeout", "40P01"]);
    });
    await pool.close(1_000);
  });

  test("database is unavailable when it is read-only", async () => {
    const url = `${store.database.url}?default_transaction_read_only=on`;
    expect(await ask("create table never (id int)", { url })).toEqual([
      "database-unavailable",
      "25006",
    ]);
  });

  test("database is unavailable when there are too many connections", async () => {
    const url = urlWith({ username: role, password: "p" });
    const first = openTestPool(url, { size: 1 });
    await first.query({ name: "one", text: "select 1" }, []);
    expect(await ask("select 1", { url })).toEqual(["database-unavailable", "53300"]);
    await first.close(1_000);
    await until("there is room again", async () => (await ask("select 1", { url })) === "answered");
  });

  test("database is unavailable when it lets nobody in, or is not there", async () => {
    const stranger = urlWith({ username: role, password: "wrong" });
    expect(await ask("select 1", { url: stranger })).toEqual(["database-unavailable", "28P01"]);
    const nowhere = urlWith({ pathname: "/nowhere" });
    expect(await ask("select 1", { url: nowhere })).toEqual(["database-unavailable", "3D000"]);
  });

  test("statement is refused when the role may not run it", async () => {
    const url = urlWith({ username: role, password: "p" });
    await until("there is room", async () => (await ask("select 1", { url })) === "answered");
    expect(await ask("delete from pair", { url })).toEqual(["database-refused", "42501"]);
  });

  test("database is unavailable when an administrator ends the session", async () => {
    const pool: Pool = openTestPool(store.database.url, { applicationName: "ended", size: 1 });
    const asked = pool
      .query({ name: "sleep", text: "select pg_sleep(9)" }, [])
      .catch((e: unknown) => e);
    await until("it is ended", async () => {
      const rows = await store.sql`select pg_terminate_backend(pid) from pg_stat_activity
                                    where application_name = 'ended' and state = 'active'`;
      return rows.length === 1;
    });
    const failure = (await asked) as VarveError;
    // The driver keeps the farewell (57P01) to itself: for it the connection broke.
    expect([failure.code, failure.context]).toEqual([
      "database-unavailable",
      { reason: "CONNECTION_CLOSED", statement: "sleep", replyLost: true },
    ]);
    await pool.close(1_000);
  });

  // 0A000, "cached plan must not change result type", is asked once more by the driver.
  test("prepared statement is answered in its new form when a column's type was changed", async () => {
    const pool = openTestPool(store.database.url, { size: 1 });
    const select = { name: "pair", text: "select * from pair where id = $1" };
    expect(await pool.query(select, [2])).toEqual([{ id: 2, word: "b" }] as never);
    const prepared = { name: "prepared", text: "select statement from pg_prepared_statements" };
    expect(await pool.query(prepared, [])).toContainEqual({ statement: select.text });
    await store.sql`alter table pair add column added int not null default 7`;
    expect(await pool.query(select, [2])).toEqual([{ id: 2, word: "b", added: 7 }] as never);
    await store.sql`alter table pair drop column added`;
    expect(await pool.query(select, [2])).toEqual([{ id: 2, word: "b" }] as never);
    await pool.close(1_000);
  });
});
