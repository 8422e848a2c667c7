-- Makes the partition of this moment and of the months after it.
--   $1 months ahead: integer, $2 the application's clock: timestamptz, or null → name of each
--     partition that was made
-- Error VA007: the database's clock must not be believed; nothing is made.
-- Index: see the functions. Locks: see ensure_partitions. Idempotent: yes.
select e.name
  from varve.next_place($2::timestamptz)
  cross join lateral varve.ensure_partitions(clock_timestamp(), $1::integer) e (name);
