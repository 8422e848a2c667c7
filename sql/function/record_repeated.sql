-- Writes down that the positions of a range have been taken once more: those that were skipped
-- before are made good by it, and are no fault any more; all others are doubled.
--   subscription_name text, partition_number integer, after_position bigint (exclusive),
--   to_position bigint (inclusive) → nothing
-- What is older than the proof is doubled too, but stands apart: its first time was never counted.
-- Index: proof_faults_subscription, checkpoints_pkey. Locks: rows of faults; its callers hold the
-- row of the checkpoint. Idempotent: no, each call is one more time.
create or replace function varve.record_repeated(
  subscription_name text, partition_number integer, after_position bigint, to_position bigint
) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  repeated constant int8multirange :=
    int8multirange(int8range(record_repeated.after_position, record_repeated.to_position, '(]'));
  skipped int8multirange;
begin
  with cut as (
    delete from varve.proof_faults f
      where f.subscription = subscription_name and f.partition = partition_number
        and f.kind = 'skipped' and f.in_proof
        and int8range(f.after_position, f.to_position, '(]') && repeated
      returning f.*
  ), kept as (
    insert into varve.proof_faults (subscription, partition, kind, after_position, to_position,
        partitions, event_types, aggregate_types, found_at, told_at)
      select c.subscription, c.partition, c.kind, lower(r) - 1, upper(r) - 1,
          c.partitions, c.event_types, c.aggregate_types, c.found_at, c.told_at
        from cut c
        cross join lateral unnest(
          int8multirange(int8range(c.after_position, c.to_position, '(]')) - repeated
        ) r
  )
  select coalesce(range_agg(int8range(c.after_position, c.to_position, '(]')), '{}') into skipped
    from cut c;
  insert into varve.proof_faults (subscription, partition, kind, after_position, to_position,
      in_proof, partitions, event_types, aggregate_types)
    select s.name, partition_number, 'doubled', lower(r) - 1, upper(r) - 1,
        side.in_proof, s.partitions, s.event_types, s.aggregate_types
      from varve.checkpoints c
      join varve.subscriptions s on s.name = c.subscription
      cross join lateral (values
        (int8range(null, c.proof_from, '(]'), false),
        (int8range(c.proof_from, null, '(]'), true)
      ) side (extent, in_proof)
      cross join lateral unnest((repeated - skipped) * int8multirange(side.extent)) r
      where c.subscription = subscription_name and c.partition = partition_number;
end
$$;
