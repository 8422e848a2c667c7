-- A fault of a proof as it is told: by the alarm, by the service and by verify.
--   fault varve.proof_faults → jsonb: {partition, kind, afterPosition, toPosition, positions: the
--   first hundred, total: how many, or null until the audit has been through the whole range}
-- Index: none. Locks: none. Reads only what it is given.
create or replace function varve.fault_report(fault varve.proof_faults) returns jsonb
language sql immutable parallel safe security definer
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'partition', fault.partition, 'kind', fault.kind, 'afterPosition', fault.after_position,
    'toPosition', fault.to_position, 'positions', fault.positions,
    'total', case when fault.named_to = fault.to_position then abs(fault.count_delta) end
  )
$$;
