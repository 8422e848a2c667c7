-- Looks for partitions of the register whose first and last position are not those of their events,
-- or do not go on where the partition before ends.
--   none → broken jsonb, total bigint; the first 100
-- Of a partition that is not attached the register is all there is. The last position is null while
-- the partition is the newest with events, and may be set as soon as its month is over.
-- Index: events_YYYY_MM_position, two rows of each partition. Locks: none. Idempotent: reads only.
with facts as (
  select p.name, p.state, p.lower_bound, p.first_position, p.last_position,
      e.low, e.high, lead(p.name) over filled as next,
      lag(p.last_position, 1, 0::bigint) over filled as before
    from varve.event_partitions p
    left join lateral (
      select min(e.position) as low, max(e.position) as high from varve.events e
        where e.created_at >= p.lower_bound and e.created_at < p.upper_bound
    ) e on p.state = 'attached'
    window filled as (partition by p.first_position is null order by p.lower_bound)
),
judged as (
  select f.*, case
      when f.state = 'attached' and f.first_position is distinct from f.low
        then 'its first position is another'
      when f.state = 'attached' and f.last_position is distinct from f.high
        and (f.last_position is not null or f.next is not null)
        then 'its last position is another'
      when f.first_position is null and f.last_position is not null
        or f.last_position < f.first_position
        or f.state <> 'attached' and f.first_position is not null and f.last_position is null
        then 'it is no range'
      when f.first_position <> f.before + 1 or f.first_position is not null and f.before is null
        then 'it does not follow the partition before'
    end as fault
    from facts f
)
select
  jsonb_build_object('fault', j.fault, 'partition', j.name, 'state', j.state,
    'firstPosition', j.first_position, 'lastPosition', j.last_position,
    'firstEvent', j.low, 'lastEvent', j.high, 'lastPositionBefore', j.before) as broken,
  count(*) over () as total
  from judged j
  where j.fault is not null
  order by j.lower_bound
  limit 100;
