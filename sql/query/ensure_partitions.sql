-- Makes the partition of this moment and of the months after it.
--   $1 months ahead: integer → name of each partition that was made
-- Index: event_partitions_pkey. Locks: see the function. Idempotent: yes.
select e.name from varve.ensure_partitions(clock_timestamp(), $1::integer) e (name);
