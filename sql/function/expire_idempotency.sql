-- Forgets the oldest keys that are older than an age.
--   max_age_ms bigint, max_rows integer → the number of rows that went
-- Index: idempotency_created_at. Locks: the rows that go; rows that others lock are left for the
-- next time. Idempotent.
create or replace function varve.expire_idempotency(max_age_ms bigint, max_rows integer)
returns bigint
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  with expired as (
    delete from varve.idempotency i
      where (i.principal, i.key) in (
        select o.principal, o.key from varve.idempotency o
          where o.created_at < clock_timestamp() - make_interval(secs => max_age_ms / 1000.0)
          order by o.created_at
          limit max_rows
          for update skip locked
      )
      returning 1
  )
  select count(*) from expired
$$;
