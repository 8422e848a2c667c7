-- Looks for events of one partition that are older than the event at the position before.
--   $1 lower bound, $2 upper bound timestamptz → broken jsonb, total bigint; the first 100
-- Index: events_YYYY_MM_position, of one partition. Locks: none. Idempotent: reads only.
select to_jsonb(b) as broken, count(*) over () as total
  from (
    select e.position, e.created_at as "createdAt", e.before_at as "before"
      from (
        select e.position, e.created_at, lag(e.created_at) over (order by e.position) as before_at
          from varve.events e
          where e.created_at >= $1::timestamptz and e.created_at < $2::timestamptz
      ) e
      where e.created_at < e.before_at
  ) b
  order by b.position
  limit 100;
