-- Makes the monthly partitions that hold `first_at` and the `months_ahead` months after it; and those
-- between the last one that there is and `first_at`, where nobody was there to make them: partitions
-- follow each other without a gap, whatever the months hold.
--   first_at timestamptz, months_ahead integer → the names that were made, oldest first
-- Index: event_partitions_lower_bound_key.
-- Locks: none where nothing is missing. Else varve.schema_migrations, as every change of the schema
-- does, and SHARE UPDATE EXCLUSIVE on varve.events, which lets reads and appends go on; it waits at
-- most 2 s for either. Idempotent.
create or replace function varve.ensure_partitions(first_at timestamptz, months_ahead integer)
returns setof text
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
declare
  month timestamp := date_trunc('month', first_at at time zone 'UTC');
  after_last timestamp;
  lower_at timestamptz;
  upper_at timestamptz;
  partition_name text;
  bounds text;
begin
  if months_ahead + 1 = (
    select count(*) from varve.event_partitions p
      where p.lower_bound >= month at time zone 'UTC'
        and p.lower_bound <= (month + make_interval(months => months_ahead)) at time zone 'UTC'
  ) then
    return;
  end if;
  lock table varve.schema_migrations in exclusive mode;
  select max(p.upper_bound at time zone 'UTC') into after_last from varve.event_partitions p;
  for month in
    select m.at from generate_series(
      least(month, after_last), month + make_interval(months => months_ahead), interval '1 month'
    ) m (at)
  loop
    lower_at := month at time zone 'UTC';
    upper_at := (month + interval '1 month') at time zone 'UTC';
    partition_name := to_char(lower_at at time zone 'UTC', '"events_"YYYY_MM');
    continue when exists (select from varve.event_partitions p where p.name = partition_name);
    -- The offset is written out, or the bounds would follow the session's time zone.
    bounds := format(
      'from (%L) to (%L)',
      to_char(lower_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS"+00"'),
      to_char(upper_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS"+00"')
    );
    -- Made apart and attached: CREATE TABLE ... PARTITION OF would lock out every reader.
    perform varve.make_partition(partition_name);
    execute format('alter table varve.events attach partition varve.%I for values %s',
      partition_name, bounds);
    insert into varve.event_partitions (name, lower_bound, upper_bound)
      values (partition_name, lower_at, upper_at);
    return next partition_name;
  end loop;
end
$$;
