-- Looks for streams of a page that are not what their events say: without a row or without events,
-- with another first or last version, or with times that do not hold them to the month. Events may
-- be missing where a partition of their time is not attached and held so many.
--   $1 aggregate type, $2 first id, $3 first id after the page (null: none) text
--   → broken jsonb, total bigint; the first 100
-- Index: streams_pkey; events_YYYY_MM_stream of every partition, merged. Locks: none.
-- Idempotent: reads only. One statement, so that an append between is seen whole or not at all.
with present as (
  select e.aggregate_id, min(e.version) as first_version, max(e.version) as last_version,
      min(e.position) as first_position, max(e.position) as last_position,
      date_trunc('month', min(e.created_at), 'UTC') as first_month,
      date_trunc('month', max(e.created_at), 'UTC') as last_month
    from varve.events e
    where e.aggregate_type = $1 and e.aggregate_id >= $2
      and ($3::text is null or e.aggregate_id < $3)
    group by e.aggregate_id
),
stream as (
  select s.aggregate_id, s.version, s.first_at, s.last_at
    from varve.streams s
    where s.aggregate_type = $1 and s.aggregate_id >= $2
      and ($3::text is null or s.aggregate_id < $3)
),
compared as (
  select coalesce(s.aggregate_id, e.aggregate_id) as id, s.version, s.first_at, s.last_at,
      e.first_version, e.last_version,
      case
        when s.version is null then 'events without a stream'
        when s.first_at > s.last_at then 'it ends before it begins'
        when e.first_version is null and s.version > (
          select coalesce(sum(p.last_position - p.first_position + 1), 0)
            from varve.event_partitions p
            where p.state <> 'attached' and p.lower_bound <= s.last_at
              and p.upper_bound > s.first_at
        ) then 'a stream without events'
        when e.first_version < 1 or e.first_version > 1 and e.first_version - 1 > (
          select coalesce(sum(p.last_position - p.first_position + 1), 0)
            from varve.event_partitions p
            where p.state <> 'attached' and p.last_position < e.first_position
              and p.upper_bound > s.first_at
        ) then 'the first events are missing'
        when e.last_version > s.version then 'events past its version'
        when e.last_version < s.version and s.version - e.last_version > (
          select coalesce(sum(p.last_position - p.first_position + 1), 0)
            from varve.event_partitions p
            where p.state <> 'attached' and p.first_position > e.last_position
              and p.lower_bound <= s.last_at
        ) then 'the last events are missing'
        when e.first_month < date_trunc('month', s.first_at, 'UTC')
          or e.last_month > date_trunc('month', s.last_at, 'UTC')
        then 'events outside the months of first_at and last_at'
      end as fault
    from stream s
    full join present e on e.aggregate_id = s.aggregate_id
)
select
  jsonb_build_object('fault', c.fault, 'aggregateType', $1, 'aggregateId', c.id,
    'version', c.version, 'firstEvent', c.first_version, 'lastEvent', c.last_version,
    'firstAt', c.first_at, 'lastAt', c.last_at) as broken,
  count(*) over () as total
  from compared c
  where c.fault is not null
  order by c.id
  limit 100;
