-- Looks for positions of one partition that do not follow the one before by 1: a gap or a repetition.
--   $1 lower bound, $2 upper bound timestamptz → broken jsonb, total bigint; the first 100
-- How partitions follow each other is what verify_register looks at.
-- Index: events_YYYY_MM_position, of one partition. Locks: none. Idempotent: reads only.
select to_jsonb(b) as broken, count(*) over () as total
  from (
    select e.position, e.position_before as "positionBefore", e.event_id as "eventId"
      from (
        select e.position, e.event_id, lag(e.position) over (order by e.position) as position_before
          from varve.events e
          where e.created_at >= $1::timestamptz and e.created_at < $2::timestamptz
      ) e
      where e.position <> e.position_before + 1
  ) b
  order by b.position
  limit 100;
