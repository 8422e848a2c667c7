-- Closes every month that is over: the register gets its last position, and no event goes into it
-- any more.
--   margin_ms integer: how long a month must be over; app_clock timestamptz (null: not compared)
--   → the names that were closed, oldest first
-- Error VA007, also where nothing is due: the database's clock must not be believed. It could close a
-- month that has not begun, and let retention take what is young.
-- Index: the head's; event_partitions is small.
-- Locks: none where nothing is due, else the log lock and the rows; waits at most 5 s for either.
-- Idempotent.
drop function if exists varve.close_partitions(integer);
create or replace function varve.close_partitions(margin_ms integer, app_clock timestamptz)
returns setof text
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
as $$
declare
  over_by constant timestamptz :=
    clock_timestamp() - make_interval(secs => margin_ms / 1000.0);
begin
  if (
    select varve.is_clock_ahead(clock_timestamp(), h.created_at, app_clock) from varve.log_head() h
  ) then
    raise exception 'the clock says %, the application %', clock_timestamp(), app_clock
      using errcode = 'VA007';
  end if;
  if not exists (
    select from varve.event_partitions p
      where p.first_position is not null and p.last_position is null and p.upper_bound <= over_by
  ) then
    return;
  end if;
  perform pg_advisory_xact_lock(hashtextextended('varve.log', 0));
  -- Only the newest with events is open: whoever appended into a later one closed those before it.
  return query
    update varve.event_partitions p set last_position = h.position
      from varve.log_head() h
      where p.first_position is not null and p.last_position is null and p.upper_bound <= over_by
      returning p.name;
end
$$;
