import type postgres from "postgres";

type Call = {
  readonly text: string;
  readonly parameters: readonly (string | number | boolean | null)[];
  /** Run before, so often that the session has gone over to a cached plan where it ever will. */
  readonly warmed?: boolean;
};

/** What a statement touched, each in order of name. */
export type Trace = {
  readonly locked: readonly string[];
  /** Tables that it read from end to end. */
  readonly whole: readonly string[];
  readonly indexes: readonly string[];
};

const WARMING = 6;

/** How often each table and index was scanned so far by this session and all before it. */
const scansOf = (tx: postgres.TransactionSql, pattern: string) =>
  tx<{ name: string; kind: string; scans: number }[]>`
    select c.relname as name, c.relkind::text as kind,
           (pg_stat_get_xact_numscans(c.oid) + pg_stat_get_numscans(c.oid))::int as scans
      from pg_class c
     where c.relname like ${pattern} and c.relkind in ('r', 'i') order by 1`;

/** Runs the statement and commits it; tells what it touched of the tables of that LIKE pattern. */
export async function traceOf(sql: postgres.Sql, pattern: string, call: Call): Promise<Trace> {
  const run = (on: postgres.Sql | postgres.TransactionSql) =>
    on.unsafe(call.text, [...call.parameters]);
  for (let count = 0; call.warmed === true && count < WARMING; count += 1) await run(sql);
  return sql.begin(async (tx) => {
    const before = await scansOf(tx, pattern);
    await run(tx);
    const after = await scansOf(tx, pattern);
    const locked = await tx<{ name: string }[]>`
      select distinct c.relname as name from pg_locks l join pg_class c on c.oid = l.relation
       where l.pid = pg_backend_pid() and c.relkind = 'r' and c.relname like ${pattern} order by 1`;
    const scanned = (wanted: string) =>
      after
        .filter(({ kind, scans }, index) => kind === wanted && scans > (before[index]?.scans ?? 0))
        .map(({ name }) => name);
    return {
      locked: locked.map(({ name }) => name),
      whole: scanned("r"),
      indexes: scanned("i"),
    };
  });
}
