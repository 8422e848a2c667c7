-- Ends the proofs of a subscription, whose caller begins others: with another filter, or another
-- number of partitions. Faults stay, but no later proof has to explain them.
--   subscription_name text → nothing
-- What is being taken again at that moment is written down as doubled to its end, since nobody
-- follows it any further.
-- Index: checkpoints_pkey, proof_faults_subscription. Locks: rows of faults; its callers hold the
-- rows of the checkpoints. Idempotent.
create or replace function varve.end_proof(subscription_name text) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform varve.note_move(c.subscription, c.partition)
    from varve.checkpoints c
    where c.subscription = subscription_name
      and (c.proof_position <> c.position or c.repeat_to is not null);
  perform varve.record_repeated(c.subscription, c.partition, c.repeat_from, c.repeat_to)
    from varve.checkpoints c
    where c.subscription = subscription_name and c.repeat_to is not null;
  update varve.checkpoints c
    set repeat_from = null, repeat_to = null, agreed_position = null
    where c.subscription = subscription_name;
  update varve.proof_faults f set in_proof = false
    where f.subscription = subscription_name and f.in_proof;
end
$$;
