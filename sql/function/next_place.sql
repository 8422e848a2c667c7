-- Where the next event goes: behind which position, with which time, into which partition. Exact
-- under the log lock, else as of the statement.
--   app_clock timestamptz (null: not compared) → one row (head bigint, stored_at timestamptz,
--     layer text; null where the partition that holds stored_at is not there yet)
-- Promises: stored_at is not before the last event's, and never falls into a month that is closed or
-- not attached: it is lifted to the first moment of the first month after it that is open.
-- Error VA007: the database's clock must not be believed; see is_clock_ahead.
-- Index: the head's; event_partitions is small. Locks: none. Reads only.
create or replace function varve.next_place(
  app_clock timestamptz, out head bigint, out stored_at timestamptz, out layer text
)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  database_clock constant timestamptz := clock_timestamp();
  last_event_at timestamptz;
  month record;
begin
  select h.position, h.created_at into head, last_event_at from varve.log_head() h;
  if varve.is_clock_ahead(database_clock, last_event_at, app_clock) then
    raise exception 'the clock says %, the last event %, the application %',
      database_clock, last_event_at, app_clock using errcode = 'VA007';
  end if;
  stored_at := greatest(last_event_at, database_clock);
  loop
    select p.name, p.upper_bound, p.state = 'attached' and p.last_position is null as is_open
      into month
      from varve.event_partitions p
      where p.lower_bound <= stored_at and stored_at < p.upper_bound;
    exit when not found;
    if month.is_open then
      layer := month.name;
      exit;
    end if;
    stored_at := month.upper_bound;
  end loop;
end
$$;
