-- Holds a partition, or lets it go; see sql/function/hold_partition.sql.
--   $1 partition: text, $2 reason: text, null to let go → state: text, null for no such one; one row
-- Index: event_partitions_pkey. Locks: the row of the register. Idempotent: yes.
select varve.hold_partition($1::text, $2::text) as state;
