-- Looks for events of a page of streams whose version does not follow the one before by 1, or whose
-- position is not above it. Versions may be missing where a partition between is not attached and
-- held so many events.
--   $1 aggregate type, $2 first id, $3 first id after the page (null: none) text
--   → broken jsonb, total bigint; the first 100
-- Index: events_YYYY_MM_stream of every partition, merged. Locks: none. Idempotent: reads only.
select to_jsonb(b) as broken, count(*) over () as total
  from (
    select $1 as "aggregateType", e.aggregate_id as "aggregateId", e.version, e.position,
        e.version_before as "versionBefore", e.position_before as "positionBefore"
      from (
        select e.aggregate_id, e.version, e.position,
            lag(e.version) over stream as version_before,
            lag(e.position) over stream as position_before
          from varve.events e
          where e.aggregate_type = $1 and e.aggregate_id >= $2
            and ($3::text is null or e.aggregate_id < $3)
          window stream as (partition by e.aggregate_id order by e.version)
      ) e
      where e.position <= e.position_before
        or e.version = e.version_before
        or coalesce(e.version > e.version_before + 1, false) and e.version - e.version_before - 1 > (
          select coalesce(sum(p.last_position - p.first_position + 1), 0)
            from varve.event_partitions p
            where p.state <> 'attached' and p.first_position > e.position_before
              and p.last_position < e.position
        )
  ) b
  order by b."aggregateId", b.version, b.position
  limit 100;
