import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";

import { type EmbeddedPostgres, startEmbeddedPostgres } from "#ops/embedded-postgres.ts";
import { migrate } from "#store/migrate.ts";
import { openPool } from "#store/pool.ts";
import { command, createOrder, orderBody, query, shownOrder } from "#test/support/caller.ts";
import { caughtUp, logFaults, viewFaults, withSql } from "#test/support/invariants.ts";
import { randomFrom, startLoad } from "#test/support/load.ts";
import { pgbouncer, startPooler, type Pooler } from "#test/support/pgbouncer.ts";
import { poolOptions } from "#test/support/pools.ts";
import { createKey, endServices, runVerb, startService } from "#test/support/service.ts";
import { until } from "#test/until.ts";

const directory = join(mkdtempSync(join(tmpdir(), "varve-pooler-")), "postgres");
/** Fewer than the service's own eight, so that its connections really share sessions. */
const SIZE = 2;
/** Whoever waits while the server is away is told so, and not after the service's own 30 s. */
const outages = "server_login_retry = 1\nquery_wait_timeout = 3";
const lenient = `ignore_startup_parameters = statement_timeout, lock_timeout,
  tcp_keepalives_idle, tcp_keepalives_interval, tcp_keepalives_count`.replaceAll("\n", "");

let server: EmbeddedPostgres;
let pooler: Pooler;
const bin = process.env["VARVE_TEST_PG_BIN"] || undefined;
const startServer = (port?: number) =>
  startEmbeddedPostgres({ directory, bin, ...(port === undefined ? {} : { port }) });

const options = () => ({
  databaseUrl: pooler.url,
  environment: { DIRECT_DATABASE_URL: server.url, DB_PREPARE: "false" },
});

async function started() {
  const service = await startService(options());
  return { service, target: { url: service.url, key: await createKey(options()) } };
}

/** What was answered, asked again where not the server failed but the pooler ended meanwhile. */
async function outliving(ask: () => Promise<object>): Promise<object> {
  const before = pooler.endings();
  const answer = await ask();
  if ("sqlState" in answer) return answer;
  await until("the pooler was started again", () => pooler.endings() > before);
  return outliving(ask);
}

describe.skipIf(pgbouncer === null)("behind PgBouncer in transaction mode", () => {
  beforeAll(async () => {
    server = await startServer();
    await migrate({ url: server.url });
    pooler = await startPooler(server.url, { size: SIZE, more: outages });
  });
  afterEach(endServices);
  afterAll(async () => {
    await pooler.stop();
    await server.stop();
    rmSync(realpathSync(directory), { recursive: true, force: true });
    rmSync(join(directory, ".."), { recursive: true, force: true });
  });

  test("service takes commands, gives first answers again and shows them when sessions are shared", async () => {
    const { service, target } = await started();
    const load = startLoad({
      target: () => target,
      writers: 16,
      random: randomFrom(7),
      retries: 0,
    });
    await until("three hundred commands are answered", () => load.answers.length > 300, 30_000);
    await load.stop();
    expect([...load.refusals.keys()].filter((status) => Number(status) >= 500)).toEqual([]);

    const headers = { "Idempotency-Key": "again" };
    const twice = [
      await command(target, "o-1/create", orderBody("c-1"), headers),
      await command(target, "o-1/create", orderBody("c-1"), headers),
    ];
    expect(twice.map(({ status }) => status)).toEqual([201, 201]);
    expect(twice.map((answer) => answer.headers.get("Idempotency-Replayed"))).toEqual([
      null,
      "true",
    ]);
    expect(await twice[1]?.json()).toEqual(await twice[0]?.json());
    expect((await shownOrder(target, "o-1"))["status"]).toBe("created");
    expect((await query(target, "orders?limit=200")).status).toBe(200);
    expect((await fetch(`${target.url}/health`)).status).toBe(200);

    await caughtUp(server.url);
    expect([await logFaults(server.url, load.answers), await viewFaults(server.url)]).toEqual([
      [],
      [],
    ]);
    const [row] = await withSql(
      server.url,
      (sql) => sql<{ sessions: number }[]>`
        select count(*)::int as sessions from pg_stat_activity
         where application_name ~ '^varve (commands|queries|health|worker)'`,
    );
    expect(row?.sessions).toBe(SIZE);
    expect((await service.stop()).code).toBe(0);
  }, 60_000);

  test("service goes on by itself when the server behind the pooler was restarted", async () => {
    const { service, target } = await started();
    const load = startLoad({
      target: () => target,
      writers: 8,
      random: randomFrom(8),
      retries: 400,
    });
    await until("commands are answered", () => load.answers.length > 100, 15_000);
    const port = Number(new URL(server.url).port);
    await server.stop();
    // All writers may be in batches whose replies were lost, which are asked for again until 20 s.
    await until("one is refused", () => (load.refusals.get("503") ?? 0) > 0, 25_000);
    server = await startServer(port);
    const before = load.answers.length;
    await until("commands are answered again", () => load.answers.length > before + 100, 30_000);
    await load.stop();
    expect([...load.refusals.keys()].filter((status) => status === "500")).toEqual([]);
    await createOrder(target, "after");
    await shownOrder(target, "after", 1, 15_000);
    await caughtUp(server.url);
    expect([await logFaults(server.url, load.answers), await viewFaults(server.url)]).toEqual([
      [],
      [],
    ]);
    expect((await service.stop()).code).toBe(0);
  }, 120_000);

  test("statement is stopped in the server when its time is over, also where it waits for a lock", async () => {
    const pool = openPool(poolOptions(pooler.url, { prepare: false, statementTimeoutMs: 300 }));
    await withSql(server.url, (sql) =>
      sql.begin(async (holder) => {
        await holder`lock table varve.leases`;
        for (const text of ["select pg_sleep(9)", "select from varve.leases"]) {
          const ask = () =>
            pool.query({ name: "stopped", text }, []).then(
              () => ({}),
              (error: { context: object }) => error.context,
            );
          expect(await outliving(ask)).toEqual({
            sqlState: "57014",
            statement: "stopped",
            replyLost: false,
          });
        }
      }),
    );
    await pool.close(1_000);
  });

  test("start is refused at once, and says why, when statements are to be prepared", async () => {
    const prepared = { ...options(), environment: { DIRECT_DATABASE_URL: server.url } };
    const refused = await runVerb(["serve", "--json"], prepared);
    expect([refused.code, JSON.parse(refused.stderr)]).toMatchObject([
      69,
      {
        error: {
          code: "database-unavailable",
          message:
            "the database answered 08P01: a pooler in front of it needs DB_PREPARE=false, and migrations DIRECT_DATABASE_URL",
        },
      },
    ]);
    const other = await startPooler(server.url, { size: SIZE, more: lenient });
    const found = await runVerb(["serve", "--json"], { ...prepared, databaseUrl: other.url });
    await other.stop();
    expect([found.code, JSON.parse(found.stderr)]).toMatchObject([
      78,
      {
        error: {
          code: "configuration-invalid",
          message: "DATABASE_URL leads through a pooler: set DB_PREPARE=false",
        },
      },
    ]);
  });

  test("migration says what it needs when it is led through the pooler", async () => {
    const through = { databaseUrl: pooler.url, environment: { DB_PREPARE: "false" } };
    const { code, stderr } = await runVerb(["migrate"], through);
    expect([code, stderr]).toEqual([
      69,
      "varve: database-unavailable: the database answered 08P01: a pooler in front of it needs DB_PREPARE=false, and migrations DIRECT_DATABASE_URL\n",
    ]);
  });
});
