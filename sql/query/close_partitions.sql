-- Closes the months that are over.
--   $1 margin in milliseconds: integer, $2 the application's clock: timestamptz, or
--     null → name of each partition that was closed
-- Index: see the function. Locks: see the function. Idempotent: yes.
select c.name from varve.close_partitions($1::integer, $2::timestamptz) c (name);
