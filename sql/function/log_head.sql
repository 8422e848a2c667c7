-- The end of the log: the last position ever given out and its created_at; 0 and null before the
-- first event. It looks at the newest partition that has held events; where that one is not
-- attached, the register remembers its last position, and no event of it is later than its end.
-- Exact under the log lock, else as of the statement.
--   no parameters → one row (position bigint, created_at timestamptz)
-- Error VA005: neither the newest partition nor the register knows its last position; numbering on
-- would give positions twice.
-- Index: events_YYYY_MM_position, backwards, one row. Locks: none. Reads only.
create or replace function varve.log_head(out "position" bigint, out created_at timestamptz)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  newest record;
begin
  select p.name, p.state, p.first_position, p.last_position, p.upper_bound into newest
    from varve.event_partitions p
    where p.first_position is not null
    order by p.lower_bound desc
    limit 1;
  if not found then
    position := 0;
  elsif newest.state = 'attached' then
    execute format(
      'select e.position, e.created_at from varve.%I e order by e.position desc limit 1',
      newest.name
    ) into position, created_at;
  else
    position := newest.last_position;
    created_at := newest.upper_bound;
  end if;
  if position is null then
    raise exception 'the last position of partition % is not known', newest.name
      using errcode = 'VA005';
  end if;
end
$$;
