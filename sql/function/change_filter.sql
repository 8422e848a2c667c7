-- Lets a subscription want what a program declares, from where it is, if it may: its proof begins
-- anew, and whoever held a reactor for what it wanted before can write nothing more.
--   subscription_name text, new_events text[], new_aggregates text[]: null for all types;
--   asking uuid: the owner of leases that asks, or null at a program's start → nothing
-- A reactor that is to want all that it does and more does so at once. One that is to want less does
-- only when no instance knows it as it is: whoever asks may be the older program, which would pass
-- what it does not know. Where each wants something that the other does not, a start decides.
-- Decided is under the locks: somebody else may have changed it meanwhile.
-- Index: subscriptions_pkey, checkpoints_pkey, dead_letters_queue. Locks: the rows of its
-- checkpoints, which an owner of leases does not wait for, since it has others to renew; then its
-- own row. Idempotent.
create or replace function varve.change_filter(
  subscription_name text, new_events text[], new_aggregates text[], asking uuid
) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  known record;
  wants_more boolean;
  wants_less boolean;
begin
  if asking is null then
    perform from varve.checkpoints c where c.subscription = subscription_name
      order by c.partition for update;
  else
    begin
      perform from varve.checkpoints c where c.subscription = subscription_name
        order by c.partition for update nowait;
    exception when lock_not_available then
      return;
    end;
  end if;
  select s.kind, s.event_types, s.aggregate_types into known
    from varve.subscriptions s where s.name = subscription_name for update;
  wants_more := varve.covers(
    new_events, new_aggregates, known.event_types, known.aggregate_types
  );
  wants_less := varve.covers(
    known.event_types, known.aggregate_types, new_events, new_aggregates
  );
  if wants_more and wants_less or known.kind = 'reactor' and not wants_more
    and (wants_less or asking is not null)
    and not varve.is_orphaned(subscription_name, asking) then
    return;
  end if;
  perform varve.end_proof(subscription_name);
  update varve.subscriptions s
    set event_types = new_events, aggregate_types = new_aggregates,
      declared_at = clock_timestamp()
    where s.name = subscription_name;
  update varve.checkpoints c
    set epoch = c.epoch + case when known.kind = 'reactor' then 1 else 0 end,
      proof_from = c.position, taken_count = 0, taken_hash = 0,
      audited_position = c.position, audited_count = 0, audited_hash = 0
    where c.subscription = subscription_name;
  -- What a view wants is part of its definition, by which it is held.
  delete from varve.leases l
    where l.subscription = subscription_name and known.kind = 'reactor';
  -- It may want again what it did not.
  update varve.dead_letters d set due_at = clock_timestamp()
    where d.subscription = subscription_name and d.state = 'waiting'
      and d.error_code = 'event-not-wanted';
end
$$;
