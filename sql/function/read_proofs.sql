-- What is known of the proofs of subscriptions, all of one moment.
--   subscription_name text, partition_number integer: each null for any
--   → one row a partition of a subscription: what its row in varve.checkpoints says of the proof,
--   what its row in varve.subscriptions says of the events that it wants, letters: positions of the
--   proof that open dead letters stand for, fault_count of faults that the proof contains, named:
--   whether all of them are; unexplained_count and unexplained_hash: by how much what was taken,
--   with letters and faults, is above what the audit has counted in the log, which means something
--   only where that is as far as the checkpoint
-- Index: checkpoints_pkey, dead_letters_open, proof_faults_subscription. Locks: none. Reads only.
create or replace function varve.read_proofs(subscription_name text, partition_number integer)
returns table (
  subscription text, "partition" integer, declared_at timestamptz, partitions integer,
  event_types text[], aggregate_types text[], epoch bigint, "position" bigint,
  proof_from bigint, proof_position bigint, taken_count bigint, taken_hash bigint,
  audited_position bigint, audited_count bigint, audited_hash bigint, audited_at timestamptz,
  agreed_position bigint, repeat_to bigint, letters bigint, fault_count bigint, named boolean,
  unexplained_count bigint, unexplained_hash bigint
)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select c.subscription, c.partition, s.declared_at, s.partitions, s.event_types,
      s.aggregate_types, c.epoch, c.position, c.proof_from, c.proof_position, c.taken_count,
      c.taken_hash, c.audited_position, c.audited_count, c.audited_hash, c.audited_at,
      c.agreed_position, c.repeat_to, l.letters, f.faults, f.named,
      c.taken_count + l.letters - f.count - c.audited_count,
      c.taken_hash + l.hash - f.hash - c.audited_hash
    from varve.checkpoints c
    join varve.subscriptions s on s.name = c.subscription
    cross join lateral (
      select count(*) as letters,
          coalesce(sum(varve.position_hash(o.position)), 0)::bigint as hash
        from (
          select distinct d.position from varve.dead_letters d
            where d.subscription = c.subscription and d.partition = c.partition
              and d.state <> 'resolved' and d.position > c.proof_from
              -- Of a view that is being built, some were given up before it came to them.
              and d.position <= c.position
        ) o
    ) l
    cross join lateral (
      select count(*) as faults, coalesce(sum(p.count_delta), 0)::bigint as count,
          coalesce(sum(p.hash_delta), 0)::bigint as hash,
          coalesce(bool_and(p.named_to is not distinct from p.to_position), true) as named
        from varve.proof_faults p
        where p.subscription = c.subscription and p.partition = c.partition and p.in_proof
    ) f
    where (subscription_name is null or c.subscription = subscription_name)
      and (partition_number is null or c.partition = partition_number)
$$;
