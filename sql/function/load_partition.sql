-- Puts lines of read_partition back into the table of a partition that is being restored.
--   holder uuid of the lease, partition_name text, lines jsonb: an array of them, ascending and
--   without a gap → the last position that it holds now
-- Lines that it holds already are passed over, so that a lost reply is no matter.
-- Errors VA020 without the lease; VA021 where it is not being restored, or a line does not follow
-- the one before it or is not of this partition.
-- Index: events_YYYY_MM_position. Locks: the lease, the new rows. Idempotent.
create or replace function varve.load_partition(holder uuid, partition_name text, lines jsonb)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  layer record;
  reached bigint;
  added bigint;
  high bigint;
begin
  perform varve.assert_partition_lease(holder);
  select * into layer from varve.event_partitions p where p.name = partition_name for share;
  if layer.state is distinct from 'restoring' then
    raise exception 'partition % is not being restored', partition_name using errcode = 'VA021';
  end if;
  execute format('select max(position) from varve.%I', partition_name) into reached;
  reached := coalesce(reached, layer.first_position - 1);
  execute format(
    'with added as (
       insert into varve.%I select e.* from jsonb_populate_recordset(null::varve.events, $1) e
         where e.position > $2
       returning position
     )
     select count(*), max(position) from added', partition_name
  ) into added, high using lines, reached;
  if coalesce(high, reached) <> reached + added or high > layer.last_position then
    raise exception 'lines that are not of partition %', partition_name using errcode = 'VA021';
  end if;
  return coalesce(high, reached);
end
$$;
