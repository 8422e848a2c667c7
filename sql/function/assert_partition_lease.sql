-- Refuses a step in the life of a partition to anyone but the holder of the lease, and keeps the
-- lease from changing hands until the step is committed.
--   holder uuid → nothing
-- Error VA020: another holds it, or nobody does.
-- Index: leases_pkey. Locks: the row of the lease, shared. Reads only.
create or replace function varve.assert_partition_lease(holder uuid) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform from varve.leases l
    where l.subscription = '$partitions' and l.partition = 0
      and l.owner = holder and l.expires_at > clock_timestamp()
    for share;
  if not found then
    raise exception 'the lease of the partitions is lost' using errcode = 'VA020';
  end if;
end
$$;
