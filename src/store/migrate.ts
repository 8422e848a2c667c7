/**
 * Migrations: raw SQL files, forward only, each applied once by whoever comes first.
 *
 * What it promises: a migration and its entry in `varve.schema_migrations` are one message of one
 * transaction, so it is applied wholly or not at all, also where ten instances start at once. A
 * file that was edited after it was applied stops the start. Functions are replaced whenever their
 * text changes, after the migrations, and left alone where a newer program has migrated.
 *
 * What it relies on: a direct connection (a pooler in transaction mode is fine for the service, not
 * for this), and Postgres running the statements of one simple query in one transaction.
 *
 * How it fails: `migration-edited`, `schema-behind` (the database was migrated by a newer program
 * whose change this one cannot live with), `database-unavailable`, `database-refused`.
 *
 * What it does not do: go back, or wait for readers of the old schema: a change is made in two
 * releases, first adding, then removing. A file that breaks running programs says so in a line
 * `-- breaking`.
 */
import type { Clock } from "#kernel/clock.ts";
import { VarveError } from "#kernel/errors.ts";

import { clockText } from "./clock.ts";
import { ask, openSession, type Session } from "./connection.ts";
import type { Target } from "./dial.ts";
import { monthsAhead } from "./partitions/register.ts";
import { functions, migrations, type SqlFile } from "./sql-files.ts";
import { sqlStateOf } from "./sqlstate.ts";
import { queries } from "./statements.ts";

export type MigrationState = "applied" | "pending" | "edited" | "unknown";
export type MigrationStatus = {
  readonly kind: "migration" | "function";
  readonly name: string;
  readonly state: MigrationState;
  /** When it was applied, ISO 8601; null while it is not. */
  readonly appliedAt: string | null;
};

type Applied = {
  readonly kind: "migration" | "function";
  readonly name: string;
  readonly checksum: string;
  readonly breaking: boolean;
  readonly applied_at: string;
};

/** Another instance may be in the middle of a long migration: wait for it this long. */
const LOCK_TIMEOUT_MS = 5 * 60_000;
/** One migration may build an index over years of events; what takes longer is lost in the network. */
const STEP_TIMEOUT_MS = 2 * 60 * 60_000;
/** Reading what is applied waits for nobody. */
const READ_TIMEOUT_MS = 30_000;
/** Raised by the guard in front of a migration that somebody else has applied meanwhile. */
const ALREADY_APPLIED = "VA010";

/** One migrator at a time, from the first statement on; before there is a table, an advisory lock. */
const firstLock = "select pg_advisory_xact_lock(hashtextextended('varve.migrations', 0));";
/** A table's lock, unlike an advisory one, makes the session see what the last holder changed in
 * the catalogue; without that, concurrent grants fail with "tuple concurrently updated". */
const lock = "lock table varve.schema_migrations in exclusive mode;";
const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const checksum = (file: SqlFile): string =>
  new Bun.CryptoHasher("sha256").update(file.text).digest("hex");
const isBreaking = (file: SqlFile): boolean => /^-- breaking$/m.test(file.text);

/** Runs the work on a session of its own. */
async function onSession<Value>(
  target: Target,
  work: (session: Session) => Promise<Value>,
): Promise<Value> {
  const session = openSession({
    ...target,
    applicationName: "varve migrate",
    prepare: false,
    settings: { statement_timeout: STEP_TIMEOUT_MS, lock_timeout: LOCK_TIMEOUT_MS },
  });
  try {
    return await work(session);
  } finally {
    await session.close(1_000);
  }
}

const run = (session: Session, text: string, deadlineMs = STEP_TIMEOUT_MS) =>
  ask(session, { name: "migrate", text }, [], deadlineMs);

const bootstrap = `${firstLock}
  create schema if not exists varve;
  create table if not exists varve.schema_migrations (
    kind text not null check (kind in ('migration', 'function')),
    name text not null,
    checksum text not null,
    breaking boolean not null,
    applied_at timestamptz not null default clock_timestamp(),
    primary key (kind, name)
  );`;

const record = (kind: string, file: SqlFile): string =>
  `insert into varve.schema_migrations (kind, name, checksum, breaking)
     values (${literal(kind)}, ${literal(file.name)}, ${literal(checksum(file))}, ${isBreaking(file)})
     on conflict (kind, name) do update
       set checksum = excluded.checksum, applied_at = excluded.applied_at;`;

const guard = (file: SqlFile): string =>
  `do $guard$ begin
     if exists (select from varve.schema_migrations where kind = 'migration' and name = ${literal(file.name)})
     then raise exception 'applied meanwhile' using errcode = '${ALREADY_APPLIED}'; end if;
   end $guard$;`;

async function applied(session: Session): Promise<readonly Applied[]> {
  const present = "select to_regclass('varve.schema_migrations') is not null as present";
  const [table] = await run(session, present, READ_TIMEOUT_MS);
  if (table?.["present"] !== true) return [];
  const rows = await run(session, queries.listMigrations.text, READ_TIMEOUT_MS);
  return rows as readonly Applied[];
}

/** Throws `migration-edited` or `schema-behind` if this program must not run on that schema. */
function assertFits(rows: readonly Applied[]): void {
  const own = new Map(migrations.map((file) => [file.name, checksum(file)]));
  for (const row of rows.filter((entry) => entry.kind === "migration")) {
    const expected = own.get(row.name);
    if (expected !== undefined && expected !== row.checksum) {
      throw new VarveError(
        "migration-edited",
        `migration ${row.name} was edited after it was applied`,
      );
    }
    if (expected === undefined && row.breaking) {
      throw new VarveError("schema-behind", `this program is too old for migration ${row.name}`);
    }
  }
}

/** Whether a program that is newer than this one has migrated. */
const isNewer = (rows: readonly Applied[]): boolean =>
  rows.some(
    ({ kind, name }) => kind === "migration" && !migrations.some((own) => own.name === name),
  );

async function applyMigration(session: Session, file: SqlFile): Promise<boolean> {
  const text = [lock, guard(file), file.text, record("migration", file)].join("\n");
  try {
    await run(session, text);
    return true;
  } catch (error) {
    if (sqlStateOf(error) === ALREADY_APPLIED) return false;
    throw error;
  }
}

/** Brings the database to this program's schema; returns the names of what was applied. Idempotent. */
export function migrate(target: Target, clock: Clock = Date.now): Promise<readonly string[]> {
  return onSession(target, async (session) => {
    await run(session, bootstrap);
    const before = await applied(session);
    assertFits(before);
    const names: string[] = [];
    const known = new Map(before.map((row) => [`${row.kind} ${row.name}`, row.checksum]));
    for (const file of migrations.filter((entry) => !known.has(`migration ${entry.name}`))) {
      if (await applyMigration(session, file)) names.push(file.name);
    }
    // A newer program's functions serve this one as well; its own would take back what they mended.
    const changed = isNewer(before)
      ? []
      : functions.filter((file) => known.get(`function ${file.name}`) !== checksum(file));
    await run(
      session,
      [
        lock,
        ...changed.flatMap((file) => [file.text, record("function", file)]),
        // A clock that is not believed makes no months that nobody will ever reach.
        `select varve.ensure_partitions(clock_timestamp(), ${monthsAhead})
           from varve.log_head() h
           where not varve.is_clock_ahead(
             clock_timestamp(), h.created_at, ${literal(clockText(clock))});`,
        "select varve.grant_rights();",
      ].join("\n"),
    );
    return [...names, ...changed.map((file) => file.name)];
  });
}

/** Every file of this program and every entry of the database, with its state. Changes nothing. */
export function migrationStatus(target: Target): Promise<readonly MigrationStatus[]> {
  return onSession(target, async (session) => {
    const rows = await applied(session);
    const statusOf = (kind: MigrationStatus["kind"], file: SqlFile): MigrationStatus => {
      const row = rows.find((entry) => entry.kind === kind && entry.name === file.name);
      if (row === undefined) return { kind, name: file.name, state: "pending", appliedAt: null };
      const same = row.checksum === checksum(file);
      const state = same ? "applied" : kind === "function" ? "pending" : "edited";
      return { kind, name: file.name, state, appliedAt: row.applied_at };
    };
    const own = new Set(migrations.map((file) => file.name));
    return [
      ...migrations.map((file) => statusOf("migration", file)),
      ...functions.map((file) => statusOf("function", file)),
      ...rows
        .filter((row) => row.kind === "migration" && !own.has(row.name))
        .map((row) => ({
          kind: row.kind,
          name: row.name,
          state: "unknown" as const,
          appliedAt: row.applied_at,
        })),
    ];
  });
}

/** Throws unless every migration of this program is applied. Changes nothing. */
export function assertMigrated(target: Target): Promise<void> {
  return onSession(target, async (session) => {
    const rows = await applied(session);
    assertFits(rows);
    const present = new Set(rows.filter((row) => row.kind === "migration").map((row) => row.name));
    const missing = migrations.find((file) => !present.has(file.name));
    if (missing !== undefined) {
      throw new VarveError(
        "schema-behind",
        `migration ${missing.name} is not applied: run migrate`,
      );
    }
  });
}
