-- Looks for event ids that more than one event has, in whatever months.
--   none → broken jsonb, total bigint; the first 100
-- Index: events_YYYY_MM_event_id of every partition, merged, or none. Locks: none.
-- Idempotent: reads only.
select
  jsonb_build_object('eventId', d.event_id, 'positions', (
    select jsonb_agg(e.position order by e.position) from varve.events e
      where e.event_id = d.event_id
  )) as broken,
  d.total
  from (
    select e.event_id, count(*) over () as total
      from varve.events e
      group by e.event_id
      having count(*) > 1
      order by e.event_id
      limit 100
  ) d
  order by d.event_id;
