-- Closes the months that are over.
--   $1 margin in milliseconds: integer → name of each partition that was closed
-- Index: see the function. Locks: see the function. Idempotent: yes.
select c.name from varve.close_partitions($1::integer) c (name);
