-- Makes the partitions of past months that a benchmark fills.
--   $1 months ago of the oldest: integer → name of each partition that was made
-- Index: event_partitions_pkey. Locks: see the function. Idempotent: yes.
select e.name
  from varve.ensure_partitions(
    (date_trunc('month', now() at time zone 'UTC') - make_interval(months => $1::integer))
      at time zone 'UTC',
    $1::integer
  ) e (name);
