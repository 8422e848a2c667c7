-- Reads how far the log goes, and which partitions hold which part of it, the oldest first.
--   none → head: bigint; partitions: jsonb array of {name, state, first, last}, positions
--     inclusive, last null for the newest; those without events are left out; one row
-- Index: none, a handful of rows; the head's. Locks: none. Idempotent: reads only.
select h.position as head, coalesce((
    select jsonb_agg(jsonb_build_object(
        'name', p.name, 'state', p.state, 'first', p.first_position, 'last', p.last_position
      ) order by p.lower_bound)
      from varve.event_partitions p
      where p.first_position is not null
  ), '[]') as partitions
  from varve.log_head() h;
