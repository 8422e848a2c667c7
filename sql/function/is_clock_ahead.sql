-- Whether the database's clock must not be believed: it is more than an hour past the last event and
-- more than an hour past the clock of the application that asks. Where there is no event yet, the
-- application alone decides; without an application's clock, the answer is no.
--   database_clock, last_event_at (null: no event), app_clock (null: unknown) timestamptz → boolean
-- Two witnesses, since either may be right: after a silent night the last event is hours old, and an
-- application whose clock stands still must not stop a log that others write.
-- Index: none, since no table is looked at. Locks: none. Idempotent.
create or replace function varve.is_clock_ahead(
  database_clock timestamptz, last_event_at timestamptz, app_clock timestamptz
) returns boolean
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select app_clock is not null
    and database_clock > app_clock + interval '1 hour'
    and (last_event_at is null or database_clock > last_event_at + interval '1 hour')
$$;
