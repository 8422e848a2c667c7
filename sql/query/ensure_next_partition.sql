-- Makes the partition that the next event needs.
--   $1 the application's clock: timestamptz, or null → name of the partition that was made; no row
--     where it is there already
-- Error VA007: the database's clock must not be believed; nothing is made.
-- Index: see the functions. Locks: see ensure_partitions. Idempotent: yes.
select e.name
  from varve.next_place($1::timestamptz) n
  cross join lateral varve.ensure_partitions(n.stored_at, 0) e (name);
