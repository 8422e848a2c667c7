-- Writes down that a checkpoint is not where its proof has left it: somebody moved it by hand. What
-- was jumped over is skipped. What was jumped back over is no fault yet: it is remembered as a
-- stretch that is taken again, and becomes one as far as it really is, once the checkpoint has come
-- to its end or is moved once more.
--   subscription_name text, partition_number integer → nothing
-- Index: checkpoints_pkey, proof_faults_subscription. Locks: none; its callers hold the row of the
-- checkpoint. Idempotent.
create or replace function varve.note_move(subscription_name text, partition_number integer)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  was record;
  furthest bigint;
begin
  select c.position, c.proof_position, c.repeat_from, c.repeat_to into strict was
    from varve.checkpoints c
    where c.subscription = subscription_name and c.partition = partition_number;
  furthest := greatest(was.proof_position, was.repeat_to);
  if was.repeat_to is not null then
    perform varve.record_repeated(subscription_name, partition_number, was.repeat_from,
      least(was.proof_position, was.repeat_to));
  end if;
  if was.position > furthest then
    insert into varve.proof_faults (subscription, partition, kind, after_position, to_position,
        partitions, event_types, aggregate_types)
      select s.name, partition_number, 'skipped', furthest, was.position,
          s.partitions, s.event_types, s.aggregate_types
        from varve.subscriptions s
        where s.name = subscription_name;
  end if;
  update varve.checkpoints c
    set proof_position = was.position,
      repeat_from = case when was.position < furthest then was.position end,
      repeat_to = case when was.position < furthest then furthest end
    where c.subscription = subscription_name and c.partition = partition_number;
end
$$;
