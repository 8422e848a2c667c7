-- Events of the log after `after_position` (exclusive), ascending by position.
--   after_position bigint, max_events integer;
--   event_types text[], aggregate_types text[]: only those; null for all;
--   to_position bigint: nothing is looked at past it (inclusive), which bounds the search for rare
--     types; null for the whole log
--   → rows of varve.events, at most max_events; none at the head
-- It goes from partition to partition by the register, so that it plans for one at a time.
-- Index: events_YYYY_MM_position. Locks: none. Reads only.
-- Error VA004: it comes to a partition that is not attached before it has enough; the hint names it.
drop function if exists varve.read_after(bigint, integer, text[], bigint);
create or replace function varve.read_after(
  after_position bigint, max_events integer, event_types text[] default null,
  to_position bigint default null, aggregate_types text[] default null
) returns setof varve.events
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  layer record;
  missing integer := max_events;
  given integer;
begin
  for layer in
    select p.name, p.state, p.last_position
      from varve.event_partitions p
      where p.first_position is not null
        and (p.last_position is null or p.last_position > after_position)
        and (to_position is null or p.first_position <= to_position)
      order by p.lower_bound
  loop
    if layer.state <> 'attached' then
      raise exception 'partition % is %', layer.name, layer.state
        using errcode = 'VA004', hint = layer.name;
    end if;
    return query execute format(
      'select e.* from varve.%I e where e.position > $1 and ($4 is null or e.position <= $4)
         and ($2 is null or e.event_type = any ($2))
         and ($5 is null or e.aggregate_type = any ($5))
         order by e.position limit $3', layer.name
    ) using after_position, event_types, missing, to_position, aggregate_types;
    get diagnostics given = row_count;
    missing := missing - given;
    exit when missing = 0;
  end loop;
end
$$;
