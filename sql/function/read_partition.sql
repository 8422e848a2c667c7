-- Events of one partition as text, one line of JSON each, that restores to the same row: made by the
-- database, so that no number is rounded and no time is cut.
--   partition_name text, after_position bigint (exclusive), max_events integer, max_bytes integer
--   → position bigint, line text, ascending; ends with the line that reaches max_bytes
-- Index: events_YYYY_MM_position. Locks: none. Reads only.
create or replace function varve.read_partition(
  partition_name text, after_position bigint, max_events integer, max_bytes integer
) returns table ("position" bigint, line text)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  total bigint := 0;
begin
  for position, line in execute format(
    'select e.position, to_jsonb(e)::text from varve.%I e where e.position > $1
       order by e.position limit $2', partition_name
  ) using after_position, max_events
  loop
    return next;
    total := total + octet_length(line);
    exit when total >= max_bytes;
  end loop;
end
$$;
