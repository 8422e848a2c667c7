import type postgres from "postgres";

/**
 * What is wrong with the log, one line a fault; empty where every promise about it holds: positions
 * are 1, 2, 3 …; the versions of each stream too, up to the stream's own, and in the order of the
 * positions; `created_at` never runs back; a partition holds the positions that the register says.
 */
export async function logFaults(sql: postgres.Sql): Promise<readonly string[]> {
  const rows = await sql<{ fault: string }[]>`
    select 'position ' || e.position || ' stands at place ' || e.place as fault
      from (select position, row_number() over (order by position) as place from varve.events) e
     where e.position <> e.place
     union all
    select 'stream ' || e.aggregate_id || ' has version ' || e.version || ' at place ' || e.place
      from (select aggregate_id, version, row_number() over (
              partition by aggregate_type, aggregate_id order by position) as place
              from varve.events) e
     where e.version <> e.place
     union all
    select 'stream ' || coalesce(s.aggregate_id, e.aggregate_id) || ' says ' ||
           coalesce(s.version, 0) || ' and has ' || coalesce(e.version, 0)
      from varve.streams s
      full join (select aggregate_type, aggregate_id, count(*) as version,
                        min(created_at) as first_at, max(created_at) as last_at
                   from varve.events group by 1, 2) e
        on e.aggregate_type = s.aggregate_type and e.aggregate_id = s.aggregate_id
     where s.version is distinct from e.version
        or date_trunc('month', s.first_at, 'UTC') > e.first_at
        or date_trunc('month', s.last_at, 'UTC') < date_trunc('month', e.last_at, 'UTC')
     union all
    select 'time runs back at position ' || e.position
      from (select position, created_at, lag(created_at) over (order by position) as earlier
              from varve.events) e
     where e.created_at < e.earlier
     union all
    select 'register says ' || coalesce(p.first_position, 0) || '..' ||
           coalesce(p.last_position, 0) ||
           ' of ' || p.name || ', which has ' || coalesce(e.low, 0) || '..' || coalesce(e.high, 0)
      from varve.event_partitions p
      left join (select tableoid::regclass::text as name,
                        min(position) as low, max(position) as high
                   from varve.events group by 1) e on e.name = 'varve.' || p.name
     where p.first_position is distinct from e.low
        or p.last_position is distinct from
           case when e.high = (select max(position) from varve.events) then null else e.high end`;
  return rows.map(({ fault }) => fault);
}
