/**
 * What must be true of every database that the service has written, looked up in SQL: each check
 * gives a list of sentences, empty where all is well.
 *
 * What it relies on. On nothing of the store: its own statements, and the domain's pure functions.
 */
import postgres from "postgres";

import { aggregates } from "#domain/registry.ts";
import type { RecordedEvent, View } from "#domain/decider.ts";
import { until } from "#test/until.ts";

import type { Answer } from "./caller.ts";

/** A session whose int8 comes as a number. */
export type Sql = postgres.Sql<{ bigint: number }>;

const micros = `YYYY-MM-DD"T"HH24:MI:SS.US"Z"`;

/** Runs the work on a session of its own; int8 comes as a number. */
export async function withSql<Value>(
  url: string,
  work: (sql: Sql) => Promise<Value>,
): Promise<Value> {
  const sql = postgres(url, {
    max: 1,
    ssl: false,
    onnotice: () => undefined,
    types: { bigint: { to: 20, from: [20], serialize: String, parse: Number } },
  });
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** One statement that finds nothing where the rule holds; `broken` says what it found. */
const rules: readonly { readonly rule: string; readonly broken: string }[] = [
  {
    rule: "positions are 1, 2, 3 … without a gap",
    broken: `select count(*), max(position), count(distinct position) from varve.events
      having count(*) > 0 and (max(position) <> count(*) or min(position) <> 1
        or count(distinct position) <> count(*))`,
  },
  {
    rule: "event ids are distinct",
    broken: `select event_id from varve.events group by event_id having count(*) > 1`,
  },
  {
    rule: "versions of a stream are 1, 2, 3 … in the order of positions",
    broken: `select aggregate_id, version, expected from (
        select aggregate_id, version, row_number() over (
          partition by aggregate_type, aggregate_id order by position) as expected
        from varve.events) e
      where version <> expected`,
  },
  {
    rule: "a stream's row has the version of its last event",
    broken: `select coalesce(s.aggregate_id, e.aggregate_id), s.version, e.version from varve.streams s
      full join (select aggregate_type, aggregate_id, max(version) as version from varve.events
        group by 1, 2) e using (aggregate_type, aggregate_id)
      where s.version is distinct from e.version`,
  },
  {
    rule: "created_at never runs back",
    broken: `select position from (
        select position, created_at, lag(created_at) over (order by position) as earlier
        from varve.events) e
      where created_at < earlier`,
  },
  {
    rule: "the register has the first and last position of every partition",
    broken: `select p.name, p.first_position, p.last_position, e.first, e.last
      from varve.event_partitions p
      left join lateral (select min(position) as first, max(position) as last from varve.events
        where created_at >= p.lower_bound and created_at < p.upper_bound) e on true
      where p.first_position is distinct from e.first
        or p.last_position is distinct from case
          when e.last < (select max(position) from varve.events) then e.last end`,
  },
];

/** The rules of the log that are broken, and the answers that are not in it as they were given. */
export async function logFaults(
  url: string,
  answers: readonly Answer[],
): Promise<readonly string[]> {
  return withSql(url, async (sql) => {
    const faults: string[] = [];
    for (const { rule, broken } of rules) {
      const rows = await sql.unsafe(broken);
      if (rows.length > 0) faults.push(`not true: ${rule}: ${JSON.stringify(rows.slice(0, 3))}`);
    }
    return [...faults, ...(await missing(sql, answers))];
  });
}

/** The answers that are not in the log as they were given. */
async function missing(sql: Sql, answers: readonly Answer[]): Promise<readonly string[]> {
  const faults: string[] = [];
  const stored = await sql<{ id: string; what: string }[]>`
    select event_id as id, concat_ws(' ', position, aggregate_id, version, event_type) as what
      from varve.events`;
  const whatOf = new Map(stored.map(({ id, what }) => [id, what]));
  for (const { id: order, events } of answers) {
    for (const { id, position, version, type } of events) {
      const [given, found] = [`${position} ${order} ${version} ${type}`, whatOf.get(id)];
      if (found !== given) faults.push(`answered ${given}, but the log has ${found}`);
    }
  }
  return faults.slice(0, shown);
}

/** As many faults of a kind as a person reads. */
const shown = 5;

type Document = {
  readonly key: string;
  readonly document: unknown;
  readonly first: number;
  readonly last: number;
};

const readEvents = (sql: Sql) =>
  sql<RecordedEvent[]>`
    select position, to_char(created_at at time zone 'UTC', ${micros}) as "createdAt",
           event_id as "eventId", aggregate_type as "aggregateType", aggregate_id as "aggregateId",
           version, event_type as type, payload
      from varve.events order by position`;

/** The documents that the view must have: a fold by its own pure functions. */
function folded(view: View, events: readonly RecordedEvent[]): readonly Document[] {
  const documents = new Map<string, Document>();
  const wanted = new Set<string>(view.events);
  for (const event of events.filter(({ type }) => wanted.has(type))) {
    const key = view.key(event);
    if (key === null) continue;
    const before = documents.get(key);
    const document = view.project(before?.document ?? null, event);
    const first = before?.first ?? event.position;
    if (document === null) documents.delete(key);
    else documents.set(key, { key, document, first, last: event.position });
  }
  return [...documents.values()].toSorted((a, b) => (a.key < b.key ? -1 : 1));
}

/** How the view differs from the fold of the log. */
async function faultsOf(sql: Sql, view: View, events: readonly RecordedEvent[]) {
  const faults: string[] = [];
  const head = events.at(-1)?.position ?? 0;
  const [checkpoint] = await sql<{ position: number }[]>`
    select position from varve.checkpoints where subscription = ${view.name}`;
  if (checkpoint?.position !== head) {
    faults.push(`${view.name} is at ${checkpoint?.position} of ${head}`);
  }
  const stored = await sql<Document[]>`
    select key, document, first_position as first, position as last
      from varve_views.${sql(view.name)} order by key collate "C"`;
  const expected = folded(view, events);
  if (stored.length !== expected.length) {
    faults.push(`${view.name} has ${stored.length} documents instead of ${expected.length}`);
  }
  for (const [index, document] of expected.entries()) {
    const found = stored[index];
    if (Bun.deepEquals({ ...found }, document)) continue;
    faults.push(`${view.name}: ${JSON.stringify(found)} is not ${JSON.stringify(document)}`);
  }
  return faults.slice(0, shown);
}

/** Views whose documents are not the fold of the log, or whose checkpoint is not at its head. */
export async function viewFaults(url: string): Promise<readonly string[]> {
  return withSql(url, async (sql) => {
    const events = await readEvents(sql);
    const faults: string[] = [];
    for (const view of aggregates.flatMap(({ views }) => views)) {
      faults.push(...(await faultsOf(sql, view, events)));
    }
    return faults;
  });
}

const lagging = async (sql: Sql): Promise<boolean> => {
  const [row] = await sql<{ lagging: boolean }[]>`
    select bool_or(position < (select coalesce(max(position), 0) from varve.events)) as lagging
      from varve.checkpoints`;
  return row?.lagging ?? true;
};

/** Resolves once every checkpoint is at the head of the log. */
export const caughtUp = (url: string, deadlineMs = 15_000): Promise<true> =>
  withSql(url, (sql) =>
    until("the views have caught up", async () => !(await lagging(sql)), deadlineMs),
  );
