-- Closes the months that are over.
--   $1 margin in milliseconds: integer, $2 the application's clock: timestamptz, or null → name of
--     each partition that was closed
-- Error VA007: the database's clock must not be believed; a month that is closed stays so.
-- Index: see the functions. Locks: see close_partitions. Idempotent: yes.
select c.name
  from varve.next_place($2::timestamptz)
  cross join lateral varve.close_partitions($1::integer) c (name);
