-- Looks for checkpoints that are past the end of the log, or before its beginning. A subscription may
-- be declared to begin at a position that the log has not reached yet.
--   none → broken jsonb, total bigint; the first 100
-- Index: events_YYYY_MM_position, one row of each partition. Locks: none. Idempotent: reads only.
select to_jsonb(b) as broken, count(*) over () as total
  from (
    select c.subscription, c.partition, c.position, c.epoch, h.position as head
      from varve.checkpoints c
      cross join (
        select greatest(0, (select max(e.position) from varve.events e),
          (select max(p.last_position) from varve.event_partitions p)) as position
      ) h
      left join varve.subscriptions s on s.name = c.subscription
      where c.position > greatest(h.position, s.start_position)
        or c.position < 0 or c.epoch < 0 or c.partition < 0
  ) b
  order by b.subscription, b.partition
  limit 100;
