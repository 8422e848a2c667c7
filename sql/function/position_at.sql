-- The last position of the log that was stored before a time; 0 where there is none.
--   before timestamptz → bigint
-- created_at never runs backwards along the positions, so that halving finds it.
-- Index: events_YYYY_MM_position, twenty rows of one partition. Locks: none. Reads only.
create or replace function varve.position_at(before timestamptz) returns bigint
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  layer record;
  low bigint;
  high bigint;
  middle bigint;
  is_before boolean;
begin
  select p.name, p.state, p.first_position, p.last_position, p.upper_bound into layer
    from varve.event_partitions p
    where p.first_position is not null and p.lower_bound < before
    order by p.lower_bound desc
    limit 1;
  if not found then
    return 0;
  elsif layer.state <> 'attached' then
    -- Which of its events were before is not known: all of them are after what this answers.
    return case when layer.upper_bound <= before then layer.last_position
      else layer.first_position - 1 end;
  end if;
  low := layer.first_position - 1;
  high := coalesce(layer.last_position, (select h.position from varve.log_head() h));
  while low < high loop
    middle := (low + high + 1) / 2;
    execute format('select e.created_at < $2 from varve.%I e where e.position = $1', layer.name)
      into is_before using middle, before;
    if is_before then
      low := middle;
    else
      high := middle - 1;
    end if;
  end loop;
  return low;
end
$$;
