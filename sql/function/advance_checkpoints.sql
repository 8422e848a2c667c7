-- Moves checkpoints past events that their subscriptions do not want, many at once.
--   moves jsonb: [{subscription, partition, epoch, from, to}]
--   → one row for each of them but those whose row somebody else holds: subscription, partition,
--     applied as varve.advance_checkpoint has it
-- One that is locked keeps none of the others waiting; its caller tries again.
-- Index: checkpoints_pkey. Locks: the rows of the checkpoints, in order, those that are free.
-- Repeating it is safe: the second call is false.
create or replace function varve.advance_checkpoints(moves jsonb)
returns table (subscription text, "partition" integer, applied boolean)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  one record;
begin
  for one in
    select m.subscription, m.partition, m.epoch, m."from" as from_position, m."to" as to_position
      from jsonb_to_recordset(moves) m (
        subscription text, partition integer, epoch bigint, "from" bigint, "to" bigint
      )
      order by m.subscription, m.partition
  loop
    perform from varve.checkpoints c
      where c.subscription = one.subscription and c.partition = one.partition
      for no key update skip locked;
    continue when not found and exists (
      select from varve.checkpoints c
        where c.subscription = one.subscription and c.partition = one.partition
    );
    subscription := one.subscription;
    "partition" := one.partition;
    applied := varve.advance_checkpoint(one.subscription, one.partition, one.epoch,
      one.from_position, one.to_position, '[]', '[]', '[]');
    return next;
  end loop;
end
$$;
