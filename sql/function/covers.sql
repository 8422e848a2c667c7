-- Whether whoever wants what the one filter says wants all that the other does.
--   wide_events text[], wide_aggregates text[], narrow_events text[], narrow_aggregates text[]: null
--   for all types → boolean
-- Index: none. Locks: none. Reads only its arguments. Idempotent.
create or replace function varve.covers(
  wide_events text[], wide_aggregates text[], narrow_events text[], narrow_aggregates text[]
) returns boolean
language sql immutable parallel safe
as $$
  select (wide_events is null or coalesce(narrow_events <@ wide_events, false))
    and (wide_aggregates is null or coalesce(narrow_aggregates <@ wide_aggregates, false))
$$;
