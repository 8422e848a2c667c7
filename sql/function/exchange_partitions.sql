-- Replaces the partitions of a subscription by as many as are wanted, once all of them have come to
-- the barrier: every stream is taken up by its new partition exactly where the old one left it.
--   subscription_name text → true if they were replaced; false too where somebody has one of the
--     checkpoints locked: the leases of all others would wait for it
-- Leases end, and the epoch rises past every earlier one. Each new partition begins its proof.
-- Index: checkpoints_pkey, dead_letters_due. Locks: the rows of the subscription and of its
-- checkpoints, leases and dead letters. Idempotent.
create or replace function varve.exchange_partitions(subscription_name text) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  wanted integer;
  old record;
begin
  if exists (
    select from varve.checkpoints c
      where c.subscription = subscription_name and c.position is distinct from c.barrier
  ) then
    return false;
  end if;
  begin
    perform from varve.checkpoints c where c.subscription = subscription_name
      order by c.partition for update nowait;
  exception when lock_not_available then
    return false;
  end;
  select s.wanted_partitions into wanted
    from varve.subscriptions s where s.name = subscription_name for update;
  select max(c.barrier) as barrier, max(c.epoch) as epoch, sum(c.events_processed) as events,
      bool_and(c.position = c.barrier) as arrived
    into old
    from varve.checkpoints c where c.subscription = subscription_name;
  if wanted is null or old.arrived is not true then
    return false;
  end if;
  perform varve.end_proof(subscription_name);
  delete from varve.leases l where l.subscription = subscription_name;
  delete from varve.checkpoints c where c.subscription = subscription_name;
  insert into varve.checkpoints (
      subscription, partition, position, epoch, events_processed, proof_from, proof_position,
      audited_position
    )
    select subscription_name, p, old.barrier, old.epoch + 1,
        case when p = 0 then old.events else 0 end, old.barrier, old.barrier, old.barrier
      from generate_series(0, wanted - 1) p;
  -- Settled ones too: one that fails again after a reset must find its row, not another's.
  update varve.dead_letters d set partition = varve.stream_partition(d.stream, wanted)
    where d.subscription = subscription_name
      and d.partition <> varve.stream_partition(d.stream, wanted);
  update varve.subscriptions s set partitions = wanted, wanted_partitions = null
    where s.name = subscription_name;
  return true;
end
$$;
