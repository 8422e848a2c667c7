-- Forgets the oldest keys that are older than an age.
--   max_age_ms bigint, max_rows integer, app_clock timestamptz (null: not compared) → the number of
--     rows that went
-- A database clock that jumps ahead must not forget keys that callers still repeat: it is believed
-- up to an hour past the application's.
-- Index: idempotency_created_at. Locks: the rows that go; rows that others lock are left for the
-- next time. Idempotent.
drop function if exists varve.expire_idempotency(bigint, integer);
create or replace function varve.expire_idempotency(
  max_age_ms bigint, max_rows integer, app_clock timestamptz default null
) returns bigint
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  with expired as (
    -- By place: the limit is not known when this is planned, and a join would be planned for many.
    delete from varve.idempotency i
      where i.ctid = any (array(
        select o.ctid from varve.idempotency o
          where o.created_at < least(clock_timestamp(), app_clock + interval '1 hour')
            - make_interval(secs => max_age_ms / 1000.0)
          order by o.created_at
          limit max_rows
          for update skip locked
      ))
      returning 1
  )
  select count(*) from expired
$$;
