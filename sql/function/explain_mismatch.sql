-- Looks at the next stretch of a mismatch for one position, or in a short range for two, whose
-- hashes are the difference, and makes faults of them that name it. A position that was taken
-- although nobody wanted it stays a mismatch, by name.
--   fault varve.proof_faults, max_positions integer: how many are looked at → nothing
-- Positions have no gap, so that they are counted up and hashed rather than read. Of those of dead
-- letters that were resolved all are looked at, since a letter is settled long after its position.
-- One hash fits by accident once in four billion positions: it must be of a wanted event to be
-- believed. Two fit once in a hundred ranges of 10,000, wherefore none is longer, and two ways to
-- explain it are none.
-- Index: proof_faults_pkey, events_YYYY_MM_position. Locks: the fault's row. Idempotent.
-- Error VA004: as varve.count_events.
create or replace function varve.explain_mismatch(fault varve.proof_faults, max_positions integer)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  pair_range constant bigint := 10000;
  origin constant bigint := coalesce(fault.named_to, fault.after_position);
  delta constant bigint := fault.count_delta;
  first_sign constant integer := case when delta > 0 then 1 else -1 end;
  second_sign constant integer := case when delta < 0 then -1 else 1 end;
  signs constant integer[] := array[first_sign, second_sign];
  reached bigint := least(fault.to_position, origin + max_positions);
  suspects bigint[];
  kinds text[];
begin
  if abs(delta) = 1 then
    select array[x.position] into suspects
      from (
        select g as position from generate_series(origin + 1, reached) g
        union all
        select d.position from varve.dead_letters d
          where fault.named_to is null and d.subscription = fault.subscription
            and d.partition = fault.partition and d.state = 'resolved'
      ) x
      where varve.position_hash(x.position) = delta * fault.hash_delta
      limit 1;
  elsif abs(delta) in (0, 2) and fault.to_position - fault.after_position <= pair_range then
    reached := fault.to_position;
    select case when count(*) = 1 then min(array[a.position, b.position]) end into suspects
      from (
        select g as position, varve.position_hash(g) as hash
          from generate_series(fault.after_position + 1, fault.to_position) g
      ) a
      join (
        select g as position, varve.position_hash(g) as hash
          from generate_series(fault.after_position + 1, fault.to_position) g
      ) b on b.hash = second_sign * (fault.hash_delta - first_sign * a.hash)
      where delta = 0 or a.position <= b.position;
  else
    reached := fault.to_position;
  end if;

  if suspects is not null then
    select array_agg(case when n.events = 0 and s.sign > 0 then 'mismatch'
          when n.events = 0 then null when s.sign > 0 then 'doubled' else 'skipped' end
        order by s.nth) into kinds
      from unnest(suspects, signs[1:cardinality(suspects)])
        with ordinality s (position, sign, nth)
      cross join lateral varve.count_events(s.position - 1, s.position, fault.event_types,
        fault.aggregate_types, fault.partitions, fault.partition, 0) n;
  end if;
  if suspects is null or array_position(kinds, null) is not null then
    update varve.proof_faults f set named_to = reached
      where f.id = fault.id and f.named_to is not distinct from fault.named_to;
    return;
  end if;
  delete from varve.proof_faults f
    where f.id = fault.id and f.named_to is not distinct from fault.named_to;
  if found then
    insert into varve.proof_faults (subscription, partition, kind, after_position, to_position,
        in_proof, partitions, event_types, aggregate_types, named_to, positions, count_delta,
        hash_delta, found_at)
      select fault.subscription, fault.partition, s.kind, s.position - 1, s.position,
          fault.in_proof, fault.partitions, fault.event_types, fault.aggregate_types, s.position,
          array[s.position], s.sign, s.sign * varve.position_hash(s.position), fault.found_at
        from unnest(suspects, kinds, signs[1:cardinality(suspects)])
          s (position, kind, sign);
  end if;
end
$$;
