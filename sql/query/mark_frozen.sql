-- Remembers that a partition was frozen.
--   $1 partition: text → void, one row
-- Index: event_partitions_pkey. Locks: the row of the register. Idempotent: yes.
select varve.mark_frozen($1::text);
