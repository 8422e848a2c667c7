-- Writes down by how much a proof and the log differ where both were compared. Of a program that
-- goes wrong at every step the first hundred are kept apart, and what comes after them together.
--   subscription_name text, partition_number integer, compared_to bigint,
--   count_difference bigint, hash_difference bigint
--   → boolean: whether it is to be looked at for the positions that explain it
-- Index: proof_faults_subscription. Locks: rows of faults; its callers hold the row of the
-- checkpoint. Idempotent: no, each call is another difference.
create or replace function varve.record_mismatch(
  subscription_name text, partition_number integer, compared_to bigint,
  count_difference bigint, hash_difference bigint
) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  kept_apart constant integer := 100;
begin
  if (
    select count(*) >= kept_apart from varve.proof_faults f
      where f.subscription = subscription_name and f.partition = partition_number and f.in_proof
  ) then
    update varve.proof_faults f
      set to_position = compared_to, named_to = compared_to,
        count_delta = f.count_delta + count_difference,
        hash_delta = f.hash_delta + hash_difference
      where f.id = (
        select max(m.id) from varve.proof_faults m
          where m.subscription = subscription_name and m.partition = partition_number
            and m.in_proof and m.kind = 'mismatch' and cardinality(m.positions) = 0
      );
    if found then
      return false;
    end if;
  end if;
  insert into varve.proof_faults (subscription, partition, kind, after_position, to_position,
      partitions, event_types, aggregate_types, count_delta, hash_delta)
    select s.name, c.partition, 'mismatch', coalesce(c.agreed_position, c.proof_from), compared_to,
        s.partitions, s.event_types, s.aggregate_types, count_difference, hash_difference
      from varve.checkpoints c
      join varve.subscriptions s on s.name = c.subscription
      where c.subscription = subscription_name and c.partition = partition_number;
  return true;
end
$$;
