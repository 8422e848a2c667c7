-- The highest epoch that was ever given for any version of a view, those that are gone too: whoever
-- holds one of them under a name that changes hands must not be taken for its next holder.
--   view_name text → bigint, 0 where there is none
-- Index: views_role, checkpoints_pkey. Locks: none. Reads only.
create or replace function varve.view_epoch(view_name text) returns bigint
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(greatest(max(v.past_epoch), max(c.epoch)), 0)
    from varve.views v
    left join varve.checkpoints c on c.subscription = v.name
    where v.view = view_name
$$;
