-- Looks for dead letters of positions that the log has not reached.
--   none → broken jsonb, total bigint; the first 100
-- Index: events_YYYY_MM_position, one row of each partition. Locks: none. Idempotent: reads only.
select to_jsonb(b) as broken, count(*) over () as total
  from (
    select d.id, d.subscription, d.partition, d.position, h.position as head
      from varve.dead_letters d
      cross join (
        select greatest(0, (select max(e.position) from varve.events e),
          (select max(p.last_position) from varve.event_partitions p)) as position
      ) h
      where d.position > h.position or d.position < 1
  ) b
  order by b.id
  limit 100;
