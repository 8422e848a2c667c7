import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import type { Pool, Row } from "#store/pool.ts";
import { closeStore, openStore, type TestStore } from "#test/support/store.ts";
import { openTestPool } from "#test/support/pools.ts";

let store: TestStore;
beforeAll(async () => {
  store = await openStore();
});
afterAll(() => closeStore(store));

const settings = {
  name: "settings",
  text: `select name, setting from pg_settings where source = 'client' and name = any($1)
         order by name`,
};
const names = `{statement_timeout,lock_timeout,tcp_keepalives_idle,tcp_keepalives_interval,
                tcp_keepalives_count,TimeZone,application_name}`;

const settingsOf = async (pool: Pool) => {
  const rows = await pool.query<Row & { name: string; setting: string }>(settings, [names]);
  await pool.close(1_000);
  return Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
};

describe("the settings of a session", () => {
  test("session has the limits of the pool when it is opened", async () => {
    const changed = { statementTimeoutMs: 3_000, applicationName: "varve test" };
    expect(await settingsOf(openTestPool(store.database.url, changed))).toEqual({
      TimeZone: "UTC",
      application_name: "varve test",
      lock_timeout: "1000",
      statement_timeout: "3000",
      tcp_keepalives_count: "3",
      tcp_keepalives_idle: "30",
      tcp_keepalives_interval: "10",
    });
  });

  test("session asks for no setting that a pooler would refuse when nothing is prepared", async () => {
    const changed = { prepare: false, applicationName: "varve test" };
    expect(await settingsOf(openTestPool(store.database.url, changed))).toEqual({
      TimeZone: "UTC",
      application_name: "varve test",
    });
  });

  test("statement ends when it has waited for a lock for a third of its time", async () => {
    const pool = openTestPool(store.database.url, { statementTimeoutMs: 900 });
    await store.sql`create table held (id int)`;
    await store.sql.begin(async (holder) => {
      await holder`lock table held`;
      const read = pool.query({ name: "held", text: "select id from held where id = $1" }, [1]);
      expect(await read.catch((error: { context: object }) => error.context)).toEqual({
        sqlState: "55P03",
        statement: "held",
        replyLost: false,
      });
    });
    await pool.close(1_000);
  });
});

// The server's own end of the socket is not ours to see: /proc tells of ours. Timer 2 is keep-alive.
test.skipIf(process.platform !== "linux")(
  "socket is asked whether it lives when nothing moves on it",
  async () => {
    const { sockets } = await import("#test/support/sockets.ts");
    const pool = openTestPool(store.database.url);
    await pool.query({ name: "one", text: "select 1" }, []);
    const port = Number(new URL(store.database.url).port);
    expect((await sockets(port)).some(({ timer }) => timer === "02")).toBe(true);
    await pool.close(1_000);
  },
);
