-- Looks at the next stretch of a fault's range for the positions that it is about: those that its
-- subscription wanted, or, of a mismatch, the one whose hash explains it.
--   fault_id bigint, max_positions integer: how many are looked at, log_end bigint: the last position
--   that there is → nothing
-- A fault of whose range nothing counts is removed: nobody wanted what was passed over.
-- Index: proof_faults_pkey, events_YYYY_MM_position. Locks: the fault's row. Idempotent: where
-- somebody else has been there meanwhile it does nothing.
-- Error VA004: the stretch comes to a partition that is not attached; the hint names it.
drop function if exists varve.name_fault(bigint, integer);
create or replace function varve.name_fault(
  fault_id bigint, max_positions integer, log_end bigint
) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  fault varve.proof_faults;
  sign integer;
  reached bigint;
  found record;
begin
  select f.* into fault from varve.proof_faults f where f.id = fault_id;
  if fault.kind = 'mismatch' then
    perform varve.explain_mismatch(fault, max_positions);
    return;
  end if;
  sign := case when fault.kind = 'skipped' then -1 else 1 end;
  reached := least(
    fault.to_position, coalesce(fault.named_to, fault.after_position) + max_positions, log_end
  );
  select n.events, n.hash, n.positions into found
    from varve.count_events(
      coalesce(fault.named_to, fault.after_position), reached, fault.event_types,
      fault.aggregate_types, fault.partitions, fault.partition,
      100 - cardinality(fault.positions)
    ) n;
  if reached = fault.to_position and fault.count_delta = 0 and found.events = 0 then
    delete from varve.proof_faults f
      where f.id = fault.id and f.named_to is not distinct from fault.named_to;
  else
    update varve.proof_faults f
      set named_to = reached, positions = f.positions || found.positions,
        count_delta = f.count_delta + sign * found.events,
        hash_delta = f.hash_delta + sign * found.hash
      where f.id = fault.id and f.named_to is not distinct from fault.named_to;
  end if;
end
$$;
