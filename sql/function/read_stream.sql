-- Events of one stream, versions `from_version` to `to_version` (both inclusive), ascending.
--   aggregate_type text, aggregate_id text, from_version bigint, to_version bigint, max_events
--     integer
--   → rows of varve.events, at most max_events; none where there is no such stream
-- Index: streams_pkey, then events_YYYY_MM_stream of the months between the stream's first and last
-- event; other partitions are neither planned nor locked. Locks: none. Reads only.
create or replace function varve.read_stream(
  aggregate_type text, aggregate_id text, from_version bigint, to_version bigint, max_events integer
) returns setof varve.events
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_variable
declare
  first_month timestamptz;
  after_last_month timestamptz;
begin
  select date_trunc('month', s.first_at, 'UTC'),
      (date_trunc('month', s.last_at at time zone 'UTC') + interval '1 month') at time zone 'UTC'
    into first_month, after_last_month
    from varve.streams s
    where s.aggregate_type = aggregate_type and s.aggregate_id = aggregate_id;
  if not found then
    return;
  end if;
  return query
    select e.* from varve.events e
      where e.aggregate_type = aggregate_type and e.aggregate_id = aggregate_id
        and e.version between from_version and to_version
        and e.created_at >= first_month and e.created_at < after_last_month
      order by e.version
      limit max_events;
end
$$;
