-- When the first event after each of the positions was stored: how old the oldest is that a reader
-- has not taken.
--   positions bigint[], distinct
--   → one row for each below the head (position bigint, stored_at timestamptz), in any order; of an
--     event in an archive it is known that it is older than the end of its month
-- At most two statements for each partition that they lead to, however many they are: 800 positions
-- over 60 months cost 24 ms, 200 of one month 1 ms; varve.read_after for each would cost 30 to 90 ms.
-- Index: events_YYYY_MM_position. Locks: none. Reads only.
create or replace function varve.read_times_after(positions bigint[])
returns table ("position" bigint, stored_at timestamptz)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  layer record;
  missing bigint[] := positions;
  reached bigint;
begin
  for layer in
    select p.name, p.state, p.upper_bound, p.last_position
      from varve.event_partitions p
      where p.first_position is not null and (p.last_position is null
        or p.last_position > (select min(w.position) from unnest(positions) w ("position")))
      order by p.lower_bound
  loop
    exit when coalesce(cardinality(missing), 0) = 0;
    reached := layer.last_position;
    if layer.state <> 'attached' then
      return query select w.position, layer.upper_bound
        from unnest(missing) w ("position") where w.position < reached;
    else
      return query execute format(
        'select w.position, n.created_at
           from unnest($1) w ("position")
           cross join lateral (
             select e.created_at from varve.%I e where e.position > w.position
               order by e.position limit 1
           ) n', layer.name
      ) using missing;
      if reached is null then
        execute format('select max(e.position) from varve.%I e', layer.name) into reached;
      end if;
    end if;
    missing := array(select w.position from unnest(missing) w ("position")
      where w.position >= reached);
  end loop;
end
$$;
