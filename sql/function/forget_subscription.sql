-- Takes a subscription away with all that is kept of it, and its documents where it has any.
--   subscription_name text → nothing
-- Dead letters that still wait, or were discarded, are settled as resolved by that: another
-- subscription of the name owes them nothing.
-- Index: the primary keys. Locks: its rows; the table of its documents, exclusively. Idempotent.
create or replace function varve.forget_subscription(subscription_name text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  old_table text;
begin
  perform from varve.checkpoints c where c.subscription = subscription_name
    order by c.partition for update;
  update varve.views o set past_epoch = varve.view_epoch(o.view)
    where o.view = (select v.view from varve.views v where v.name = subscription_name);
  delete from varve.leases l where l.subscription = subscription_name;
  delete from varve.checkpoints c where c.subscription = subscription_name;
  delete from varve.proof_faults f where f.subscription = subscription_name;
  delete from varve.suspects p where p.subscription = subscription_name;
  update varve.dead_letters d
    set state = 'resolved', reason = 'its subscription was taken away', due_at = null,
      settled_at = clock_timestamp()
    where d.subscription = subscription_name and d.state <> 'resolved';
  delete from varve.views v where v.name = subscription_name returning v.table_name into old_table;
  delete from varve.subscriptions s where s.name = subscription_name;
  if old_table is not null then
    execute format('drop table if exists varve_views.%I', old_table);
  end if;
end
$$;
