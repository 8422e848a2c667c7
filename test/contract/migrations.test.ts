import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type postgres from "postgres";

import { assertMigrated, migrate, migrationStatus } from "#store/migrate.ts";
import { functions, migrations } from "#store/sql-files.ts";
import { assertNothingLeftOpen, freshDatabase, type TestDatabase } from "#test/database.ts";
import { openSql } from "#test/support/pools.ts";

let database: TestDatabase;
let sql: postgres.Sql;
beforeEach(async () => {
  database = await freshDatabase("empty");
  sql = openSql(database.url);
});
afterEach(async () => {
  await sql.end({ timeout: 1 });
  await assertNothingLeftOpen(database.url);
  await database.drop();
});

const target = () => ({ url: database.url, ssl: false }) as const;
const codeOf = (error: unknown): unknown => (error as { code?: unknown }).code;
const names = (files: readonly { readonly name: string }[]) => files.map(({ name }) => name);
const everything = [...names(migrations), ...names(functions)];

/** Tables, columns, indexes, constraints and functions, as one text to compare. */
async function schema(): Promise<readonly string[]> {
  const rows = await sql<{ line: string }[]>`
    select format('%s.%s %s', table_name, column_name, data_type) as line
      from information_schema.columns where table_schema = 'varve'
     union all
    select indexdef from pg_indexes where schemaname = 'varve'
     union all
    select conname || ' ' || pg_get_constraintdef(oid) from pg_constraint
      where connamespace = 'varve'::regnamespace
     union all
    select pg_get_functiondef(oid) || coalesce(proacl::text, '') from pg_proc
      where pronamespace = 'varve'::regnamespace
     order by 1`;
  return rows.map(({ line }) => line);
}

async function tables(): Promise<readonly string[]> {
  const rows = await sql<{ name: string }[]>`
    select tablename as name from pg_tables where schemaname = 'varve' order by 1`;
  return rows.map(({ name }) => name);
}

/** Has a migration refused while the obstacle stands. */
async function migrateAgainst(put: string, remove: string): Promise<void> {
  await sql.unsafe(put);
  expect(await migrate(target()).then(() => "passed", codeOf)).not.toBe("passed");
  await sql.unsafe(remove);
}

/**
 * Brings the database to where the first `steps` migrations have been applied, and no function: the
 * next one fails with everything done, when it is entered among those that were applied.
 */
async function migrateUpTo(steps: number): Promise<void> {
  const [first, obstacle] = ["varve.streams", "varve.schema_migrations"];
  await sql`create schema if not exists varve`;
  const [table] = await sql`select to_regclass(${obstacle}) is not null as present`;
  // The table of what was applied is made apart from the first migration.
  if (table?.["present"] === false) {
    await migrateAgainst(`create table ${first} ()`, `drop table ${first}`);
  }
  await migrateAgainst(
    `alter table ${obstacle} add constraint obstacle check (name <> '${migrations[steps]?.name}')`,
    `alter table ${obstacle} drop constraint obstacle`,
  );
  expect([...(await sql`select name from varve.schema_migrations order by name`)]).toEqual(
    migrations.slice(0, steps).map(({ name }) => ({ name })),
  );
}

describe("migrate", () => {
  test("migration names every file when it runs first, and none when again", async () => {
    expect(await migrate(target())).toEqual(everything);
    expect(await migrate(target())).toEqual([]);
  });

  test("migration makes the partitions of four months when it is done", async () => {
    await migrate(target());
    const rows = await sql`
      select p.name = to_char(
               date_trunc('month', now(), 'UTC') + make_interval(months => n.n::int - 1),
                              '"events_"YYYY_MM') as named,
             pg_get_expr(c.relpartbound, c.oid) like '%+00%+00%' as with_offset
        from (select *, row_number() over (order by lower_bound) as n
                from varve.event_partitions) n
        join varve.event_partitions p using (name)
        join pg_class c on c.relname = p.name`;
    const right = { named: true, with_offset: true };
    expect([...rows]).toEqual([right, right, right, right]);
  });

  test("migration makes no partition when the database's clock is not believed", async () => {
    const partitions = () => sql`select from varve.event_partitions`;
    await migrate(target(), () => Date.now() - 2 * 3_600_000);
    expect((await partitions()).length).toBe(0);
    await migrate(target());
    expect((await partitions()).length).toBeGreaterThan(2);
  });

  test("migration comes to the same schema when it starts from any step", async () => {
    await migrate(target());
    const whole = await schema();
    for (const [step] of migrations.entries()) {
      await sql`drop schema varve, varve_views cascade`;
      await migrateUpTo(step);
      expect(await migrate(target())).toEqual(everything.slice(step));
      expect(await schema()).toEqual(whole);
    }
  });

  test("migration leaves nothing when it fails half-way", async () => {
    await migrateUpTo(0);
    expect(await tables()).toEqual(["schema_migrations"]);
    await migrateUpTo(1);
    const first = ["event_partitions", "events", "schema_migrations", "streams"];
    expect(await tables()).toEqual(first);
  });

  test("migration is applied once when ten start at the same moment", async () => {
    const applied = await Promise.all(Array.from({ length: 10 }, () => migrate(target())));
    const inOnce = migrations.map(({ name }) => applied.filter((one) => one.includes(name)).length);
    expect(inOnce).toEqual(migrations.map(() => 1));
    const [{ entries } = { entries: 0 }] = await sql<{ entries: number }[]>`
      select count(*)::int as entries from varve.schema_migrations`;
    expect(entries).toBe(everything.length);
    expect(await migrate(target())).toEqual([]);
  });

  test("function is put in again when its text is another", async () => {
    await migrate(target());
    await sql`update varve.schema_migrations set checksum = 'older' where name = 'log_head'`;
    await sql`create or replace function 
        varve.log_head(out "position" bigint, out created_at timestamptz)
      language sql as $$ select 7::bigint, null::timestamptz $$`;
    expect(await migrate(target())).toEqual(["log_head"]);
    expect([...(await sql`select position::int from varve.log_head()`)]).toEqual([{ position: 0 }]);
  });
});

describe("a schema that is not this program's", () => {
  const breaking = (breaks: boolean) => sql`
    insert into varve.schema_migrations (kind, name, checksum, breaking)
      values ('migration', '9999_of_the_future', 'x', ${breaks})`;
  const refusals = async () => [
    await migrate(target()).then(() => "passed", codeOf),
    await assertMigrated(target()).then(() => "passed", codeOf),
  ];

  test("program refuses when a migration was edited after it was applied", async () => {
    await migrate(target());
    await sql`update varve.schema_migrations set checksum = 'x' where name = '0002_personal_data'`;
    expect(await refusals()).toEqual(["migration-edited", "migration-edited"]);
  });

  test("program goes on when a newer migration breaks nothing", async () => {
    await migrate(target());
    await breaking(false);
    expect(await refusals()).toEqual(["passed", "passed"]);
  });

  test("functions stay as they are when a newer program has migrated", async () => {
    await migrate(target());
    await sql`update varve.schema_migrations set checksum = 'of another program'
      where kind = 'function' and name = 'log_head'`;
    await breaking(false);
    expect(await migrate(target())).toEqual([]);
    await sql`delete from varve.schema_migrations where name = '9999_of_the_future'`;
    expect(await migrate(target())).toEqual(["log_head"]);
  });

  test("program refuses when a newer migration breaks it", async () => {
    await migrate(target());
    await breaking(true);
    expect(await refusals()).toEqual(["schema-behind", "schema-behind"]);
  });

  test("program refuses to serve when a migration is missing", async () => {
    const outcome = () => assertMigrated(target()).then(() => "passed", codeOf);
    expect(await outcome()).toBe("schema-behind");
    await migrateUpTo(3);
    expect(await outcome()).toBe("schema-behind");
    await migrate(target());
    expect(await outcome()).toBe("passed");
  });
});

describe("migrationStatus", () => {
  const states = async () =>
    (await migrationStatus(target())).map(({ kind, name, state, appliedAt }) => [
      kind,
      name,
      state,
      appliedAt === null ? null : Number.isNaN(Date.parse(appliedAt)) ? appliedAt : "a time",
    ]);

  test("everything is pending when the database is empty, which it stays", async () => {
    expect(await states()).toEqual([
      ...names(migrations).map((name) => ["migration", name, "pending", null]),
      ...names(functions).map((name) => ["function", name, "pending", null]),
    ]);
    expect([...(await sql`select from pg_namespace where nspname = 'varve'`)]).toEqual([]);
  });

  test("entry is edited, pending or unknown when it differs from the files", async () => {
    await migrate(target());
    await sql`update varve.schema_migrations set checksum = 'x'
      where name in ('0003_subscriptions', 'ensure_view')`;
    await sql`insert into varve.schema_migrations (kind, name, checksum, breaking)
      values ('migration', '9999_of_the_future', 'x', true)`;
    const stateOf = (name: string, otherwise: string) =>
      ({ "0003_subscriptions": "edited", ensure_view: "pending" })[name] ?? otherwise;
    expect(await states()).toEqual([
      ...names(migrations).map((name) => ["migration", name, stateOf(name, "applied"), "a time"]),
      ...names(functions).map((name) => ["function", name, stateOf(name, "applied"), "a time"]),
      ["migration", "9999_of_the_future", "unknown", "a time"],
    ]);
  });
});
