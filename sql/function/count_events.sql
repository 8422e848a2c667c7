-- Counts what a partition of a subscription has to take of a stretch of the log.
--   after_position bigint (exclusive), to_position bigint (inclusive);
--   event_types text[], aggregate_types text[]: only those; null for all;
--   partition_count integer, partition_number integer: its share of the streams;
--   names_max integer: how many positions are wanted by name
--   → one row: events bigint, hash bigint: the sum of varve.position_hash; positions bigint[]: the
--   first of them, ascending
-- It goes from partition to partition by the register, and looks at nothing of an event but what
-- comes before its payload.
-- Index: events_YYYY_MM_position. Locks: none. Reads only.
-- Error VA004: it comes to a partition that is not attached; the hint names it.
create or replace function varve.count_events(
  after_position bigint, to_position bigint, event_types text[], aggregate_types text[],
  partition_count integer, partition_number integer, names_max integer,
  out events bigint, out hash bigint, out positions bigint[]
)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  wanted constant text := 'e.position > $1 and e.position <= $2
    and ($3 is null or e.event_type = any ($3)) and ($4 is null or e.aggregate_type = any ($4))
    and ($5 = 1 or varve.stream_partition(e.aggregate_type || ''-'' || e.aggregate_id, $5) = $6)';
  layer record;
  part record;
begin
  events := 0;
  hash := 0;
  positions := '{}';
  for layer in
    select p.name, p.state
      from varve.event_partitions p
      where p.first_position is not null
        and (p.last_position is null or p.last_position > after_position)
        and p.first_position <= to_position
      order by p.lower_bound
  loop
    if layer.state <> 'attached' then
      raise exception 'partition % is %', layer.name, layer.state
        using errcode = 'VA004', hint = layer.name;
    end if;
    execute format(
      'select count(*) as events, coalesce(sum(varve.position_hash(e.position)), 0) as hash
         from varve.%I e where %s', layer.name, wanted
    ) into part
      using after_position, to_position, event_types, aggregate_types, partition_count,
        partition_number;
    events := events + part.events;
    hash := hash + part.hash;
    if part.events > 0 and cardinality(positions) < names_max then
      execute format(
        'select $7 || array(select e.position from varve.%I e where %s order by e.position limit $8)',
        layer.name, wanted
      ) into positions
        using after_position, to_position, event_types, aggregate_types, partition_count,
          partition_number, positions, names_max - cardinality(positions);
    end if;
  end loop;
end
$$;
