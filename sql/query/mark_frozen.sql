-- Remembers that a partition was frozen, if nothing was left.
--   $1 partition: text → frozen: boolean, one row
-- Index: event_partitions_pkey. Locks: the row of the register. Idempotent: yes.
select varve.mark_frozen($1::text) as frozen;
