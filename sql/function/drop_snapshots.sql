-- Removes snapshots of one aggregate type; the events make them again.
--   aggregate_type text; aggregate_ids text[]: whose, null for all; max_snapshots integer
--   → how many it removed; fewer than max_snapshots when none is left
-- Index: snapshots_pkey. Locks: rows of the snapshots. Idempotent.
create or replace function varve.drop_snapshots(
  aggregate_type text, aggregate_ids text[], max_snapshots integer
) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
  removed bigint;
begin
  -- Materialised: as a subquery it may run once a row, and then knows no limit.
  with chosen as materialized (
    select n.aggregate_id from varve.snapshots n
      where n.aggregate_type = aggregate_type
        and (aggregate_ids is null or n.aggregate_id = any (aggregate_ids))
      order by n.aggregate_id
      limit max_snapshots
      for update
  )
  delete from varve.snapshots n
    using chosen c
    where n.aggregate_type = aggregate_type and n.aggregate_id = c.aggregate_id;
  get diagnostics removed = row_count;
  return removed;
end
$$;
