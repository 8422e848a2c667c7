-- Looks for idempotency keys that lead to events that are not there: no stream, versions past its
-- own, or no event of the first or the last version, unless a partition of that time is not
-- attached. A key whose command changed nothing has an empty range behind a version of its stream, or
-- behind none.
--   none → broken jsonb, total bigint; the first 100
-- An event is numbered after its key was claimed; a day is more than a clock is set back by.
-- Index: streams_pkey or none; events_YYYY_MM_stream or none, of the months since the oldest key.
-- Locks: none. Idempotent: reads only.
with since as materialized (
  select min(k.created_at) - interval '1 day' as at from varve.idempotency k
)
select to_jsonb(b) as broken, count(*) over () as total
  from (
    select k.principal, k.key, k.aggregate_type as "aggregateType",
        k.aggregate_id as "aggregateId", k.from_version as "fromVersion",
        k.to_version as "toVersion", s.version, f.position as "fromPosition",
        l.position as "toPosition"
      from varve.idempotency k
      left join varve.streams s
        on s.aggregate_type = k.aggregate_type and s.aggregate_id = k.aggregate_id
      left join varve.events f
        on f.aggregate_type = k.aggregate_type and f.aggregate_id = k.aggregate_id
          and f.version = k.from_version and f.created_at >= (select at from since)
      left join varve.events l
        on l.aggregate_type = k.aggregate_type and l.aggregate_id = k.aggregate_id
          and l.version = k.to_version and l.created_at >= (select at from since)
      where coalesce(s.version, 0) < k.to_version
        or k.from_version < 1 or k.from_version > k.to_version + 1
        or k.from_version <= k.to_version and (f.position is null or l.position is null)
          and not exists (
            select from varve.event_partitions p
              where p.state <> 'attached' and p.upper_bound > k.created_at - interval '1 day'
                and p.first_position is not null
          )
  ) b
  order by b.principal, b.key
  limit 100;
