/**
 * Databases for tests, on the server that `test/run.ts` starts.
 *
 * What it is. One migrated template, made once a run, and a clone of it for whoever asks: a test
 * file takes one in `beforeAll` and drops it in `afterAll`.
 *
 * What it promises. A clone is nobody else's, has the whole schema and no row. Dropping it ends the
 * sessions that are left in it.
 *
 * What it relies on. VARVE_TEST_DATABASE_URL, a superuser's URL on a server that may be thrown away.
 *
 * How it fails. It throws without that variable, so that no test runs against a database that
 * somebody needs.
 */
import { randomBytes } from "node:crypto";

import postgres from "postgres";

import { migrate } from "#store/migrate.ts";

import { until } from "./until.ts";

const template = "varve_template";

function adminUrl(): string {
  const url = process.env["VARVE_TEST_DATABASE_URL"];
  if (url === undefined) throw new Error("there is no test database: use `bun run test [filter]`");
  return url;
}

const onDatabase = (url: string, name: string): string => {
  const other = new URL(url);
  other.pathname = `/${name}`;
  return other.href;
};

async function withConnection<Answer>(
  url: string,
  work: (sql: postgres.Sql) => Promise<Answer>,
): Promise<Answer> {
  const sql = postgres(url, { max: 1, ssl: false, onnotice: () => undefined });
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** Makes the migrated template on the server of the superuser's URL. */
export async function makeTemplate(url: string): Promise<void> {
  await withConnection(url, (sql) => sql`create database ${sql(template)}`);
  await migrate({ url: onDatabase(url, template) });
  // A session in the template would make every clone fail.
  await withConnection(
    url,
    (sql) => sql`alter database ${sql(template)} with allow_connections false`,
  );
}

export type TestDatabase = {
  readonly url: string;
  readonly drop: () => Promise<void>;
};

/** A database of the caller's own: a clone of the migrated template, or an empty one. */
export async function freshDatabase(content: "migrated" | "empty" = "migrated") {
  const name = `varve_${randomBytes(6).toString("hex")}`;
  const source = content === "migrated" ? template : "template0";
  const admin = adminUrl();
  await withConnection(admin, (sql) => sql`create database ${sql(name)} template ${sql(source)}`);
  const database: TestDatabase = {
    url: onDatabase(admin, name),
    drop: async () => {
      await withConnection(admin, (sql) => sql`drop database ${sql(name)} with (force)`);
    },
  };
  return database;
}

type Leftover = { readonly pid: number; readonly what: string };

/** What is over at its next statement may take this long; what stays was forgotten. */
const leftoverMs = 2_000;

/**
 * Throws unless every session in the database of the URL is outside a transaction and holds no
 * advisory lock. To be called after each test, when nothing of it should be running any more.
 */
export async function assertNothingLeftOpen(url: string): Promise<void> {
  await withConnection(url, async (sql) => {
    let left: readonly Leftover[] = [];
    const look = async (): Promise<boolean> => {
      left = await sql<Leftover[]>`
        select pid, state || ': ' || left(query, 100) as what
          from pg_stat_activity
         where datname = current_database() and state like 'idle in transaction%'
         union all
        select pid, 'advisory lock ' || classid || ',' || objid
          from pg_locks
         where locktype = 'advisory'
           and database = (select oid from pg_database where datname = current_database())`;
      return left.length === 0;
    };
    await until("nothing is left open", look, leftoverMs).catch(() => {
      const list = left.map(({ pid, what }) => `session ${pid}: ${what}`).join("\n");
      throw new Error(`left open after the test:\n${list}`);
    });
  });
}
