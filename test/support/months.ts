import type postgres from "postgres";

/** Events of one month, as the database's clock would have taken them in then. */
export type Month = {
  /** 0 is this month, 1 the one before, -1 the next. */
  readonly monthsAgo: number;
  /** Each gets the next version of its stream; a stream may come more than once. */
  readonly streams: readonly string[];
};

/**
 * Puts events into the log as appends of that month have left them: rows, streams and register.
 * Months are laid down from the oldest to the newest, each after everything that is in the log.
 */
export async function settleMonth(
  sql: postgres.Sql,
  { monthsAgo, streams }: Month,
): Promise<{ readonly name: string; readonly lastPosition: number }> {
  const [month] = await sql<{ name: string; lower_bound: string }[]>`
    with made as materialized (
      select varve.ensure_partitions(
        date_trunc('month', now(), 'UTC') - make_interval(months => ${monthsAgo}), 0)
    )
    select to_char(m.at, '"events_"YYYY_MM') as name, m.at::text as lower_bound
      from (select date_trunc('month', now(), 'UTC') - make_interval(months => ${monthsAgo})) m (at)
      left join made on true`;
  if (month === undefined) throw new Error("a month has a name");
  const entries = JSON.stringify(streams);
  const [end] = await sql<{ position: string }[]>`
    with head as materialized (
      select coalesce(max(position), 0) as position from varve.events
    ), entry as materialized (
      select x.id, x.n, row_number() over (partition by x.id order by x.n) as k,
             ${month.lower_bound}::timestamptz + make_interval(secs => x.n) as at
        from jsonb_array_elements_text(${entries}::text::jsonb) with ordinality x (id, n)
    ), stored as (
      insert into varve.events (position, created_at, event_id, aggregate_type, aggregate_id,
          version, event_type, schema_version, "timestamp", payload, metadata)
        select h.position + e.n, e.at, gen_random_uuid(), 'Thing', e.id,
            coalesce(s.version, 0) + e.k, 'Happened', 1, e.at, '{"value":1}', '{}'
          from entry e cross join head h
          left join varve.streams s on s.aggregate_type = 'Thing' and s.aggregate_id = e.id
    ), settled as (
      update varve.event_partitions p set last_position = h.position from head h
        where p.first_position is not null and p.last_position is null
    ), opened as (
      update varve.event_partitions p set first_position = h.position + 1 from head h
        where p.name = ${month.name}
    ), told as (
      insert into varve.streams as s (aggregate_type, aggregate_id, version, first_at, last_at)
        select 'Thing', e.id, count(*), min(e.at), max(e.at) from entry e group by e.id
        on conflict (aggregate_type, aggregate_id) do update
          set version = s.version + excluded.version, last_at = excluded.last_at
    )
    select h.position + (select count(*) from entry) as position from head h`;
  return { name: month.name, lastPosition: Number(end?.position) };
}

/** Takes a month's partition away, as if it had never been made. */
export async function forgetMonth(sql: postgres.Sql, monthsAgo: number): Promise<void> {
  const [row] = await sql<{ name: string }[]>`
    delete from varve.event_partitions
      where lower_bound = date_trunc('month', now(), 'UTC') - make_interval(months => ${monthsAgo})
      returning name`;
  await sql`drop table varve.${sql(row?.name ?? "")}`;
}

/** Closes the month of the last event, under the log lock, as maintenance does once it is over. */
export async function closeNewestMonth(sql: postgres.Sql): Promise<void> {
  await sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(hashtextextended('varve.log', 0))`;
    await tx`
      update varve.event_partitions p set last_position = h.position from varve.log_head() h
        where p.first_position is not null and p.last_position is null`;
  });
}
