-- Writes down what a run of the upkeep came to.
--   error_code text: null where nothing is wrong → how often it failed in a row
-- Index: partition_upkeep_pkey. Locks: its row. Repeating it is safe.
create or replace function varve.record_upkeep(error_code text) returns integer
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  insert into varve.partition_upkeep as u (last_run_at, last_error, failures)
    values (clock_timestamp(), error_code, (error_code is not null)::integer)
    on conflict (singleton) do update set
      last_run_at = excluded.last_run_at, last_error = excluded.last_error,
      failures = case when error_code is null then 0 else u.failures + 1 end
    returning u.failures
$$;
