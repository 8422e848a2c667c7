-- Looks for events that lie in another partition than the one whose bounds hold their created_at.
--   none → broken jsonb, total bigint; the first 100
-- A read that names its months never sees such an event.
-- Index: none: every event is read once. Locks: none. Idempotent: reads only.
select to_jsonb(b) as broken, count(*) over () as total
  from (
    select e.position, e.created_at as "createdAt", c.relname as "partition"
      from varve.events e
      join pg_class c on c.oid = e.tableoid
      join varve.event_partitions p on p.name = c.relname
      where e.created_at < p.lower_bound or e.created_at >= p.upper_bound
  ) b
  order by b.position
  limit 100;
