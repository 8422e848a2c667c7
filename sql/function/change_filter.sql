-- Lets a subscription want something else from where it is: its proof begins anew, and whoever holds
-- a reactor for what it wanted before can write nothing more.
--   subscription_name text, event_types text[], aggregate_types text[]: null for all → nothing
-- Index: subscriptions_pkey, checkpoints_pkey. Locks: the rows of its checkpoints, then its own.
-- Repeating it is safe: the proof begins once more.
create or replace function varve.change_filter(
  subscription_name text, event_types text[], aggregate_types text[]
) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  is_reactor boolean;
begin
  perform from varve.checkpoints c where c.subscription = subscription_name
    order by c.partition for update;
  perform varve.end_proof(subscription_name);
  update varve.subscriptions s
    set event_types = change_filter.event_types,
      aggregate_types = change_filter.aggregate_types, declared_at = clock_timestamp()
    where s.name = subscription_name
    returning s.kind = 'reactor' into is_reactor;
  update varve.checkpoints c
    set epoch = c.epoch + is_reactor::integer,
      proof_from = c.position, taken_count = 0, taken_hash = 0,
      audited_position = c.position, audited_count = 0, audited_hash = 0
    where c.subscription = subscription_name;
  -- What a view wants is part of its definition, by which it is held.
  delete from varve.leases l where l.subscription = subscription_name and is_reactor;
end
$$;
