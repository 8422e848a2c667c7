-- Gives a subscription another name, with all that is kept of it. Whoever held it can write nothing
-- from then on.
--   old_name text, new_name text → nothing
-- Index: the primary keys. Locks: its rows. Repeating it is safe: nothing has the old name then.
create or replace function varve.rename_subscription(old_name text, new_name text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Whoever held the new name before may be at the same position, with an epoch of this one's.
  past constant bigint := (
    select varve.view_epoch(v.view) from varve.views v where v.name = old_name
  );
begin
  delete from varve.leases l where l.subscription = old_name;
  delete from varve.dead_letters d where d.subscription = new_name;
  delete from varve.suspects p where p.subscription = new_name;
  update varve.checkpoints c set subscription = new_name, epoch = past + 1
    where c.subscription = old_name;
  update varve.subscriptions s set name = new_name where s.name = old_name;
  update varve.dead_letters d set subscription = new_name where d.subscription = old_name;
  update varve.suspects p set subscription = new_name where p.subscription = old_name;
  update varve.proof_faults f set subscription = new_name where f.subscription = old_name;
  update varve.views v
    set name = new_name, role = coalesce(nullif(substr(new_name, length(v.view) + 2), ''), 'serving')
    where v.name = old_name;
end
$$;
