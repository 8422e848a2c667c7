-- Drops the table of a partition whose export was verified, and writes down what proves the export.
--   holder uuid of the lease, partition_name text, archive jsonb: {place, digest, chain,
--   firstPosition, lastPosition, count} → why it is kept; null where its table is gone
-- Errors VA020 without the lease; VA021 where the partition is not detached, or the export is not
-- the partition that the register knows.
-- Index: event_partitions_pkey, events_YYYY_MM_position.
-- Locks: the lease, varve.schema_migrations, the table that goes. Idempotent: repeating it with the
-- same digest changes nothing.
create or replace function varve.finish_archive(
  holder uuid, partition_name text, archive jsonb
) returns text
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
declare
  layer record;
  stored record;
begin
  perform varve.assert_partition_lease(holder);
  lock table varve.schema_migrations in exclusive mode;
  select * into layer from varve.event_partitions p where p.name = partition_name for update;
  if layer.state = 'archived' and layer.archive_digest = archive->>'digest' then
    return null;
  elsif layer.hold_reason is not null then
    return 'it is held: ' || layer.hold_reason;
  end if;
  if layer.state is distinct from 'detached' or exists (
    select from pg_inherits i
      where i.inhrelid = to_regclass(format('varve.%I', partition_name))
  ) then
    raise exception 'partition % is not detached', partition_name using errcode = 'VA021';
  end if;
  execute format('select min(position) as low, max(position) as high, count(*) as count
    from varve.%I', partition_name) into stored;
  if (layer.first_position, layer.last_position, layer.last_position - layer.first_position + 1)
      is distinct from (stored.low, stored.high, stored.count)
    or (layer.first_position, layer.last_position, stored.count) is distinct from (
      (archive->>'firstPosition')::bigint, (archive->>'lastPosition')::bigint,
      (archive->>'count')::bigint
    )
  then
    raise exception 'the archive is not partition %', partition_name using errcode = 'VA021';
  end if;
  update varve.event_partitions p set
      state = 'archived', frozen_at = null, archived_at = clock_timestamp(),
      archive_place = archive->>'place', archive_digest = archive->>'digest',
      archive_chain = archive->>'chain'
    where p.name = partition_name;
  execute format('drop table varve.%I', partition_name);
  return null;
end
$$;
