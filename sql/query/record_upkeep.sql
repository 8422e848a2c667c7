-- Writes down what a run of the upkeep came to; see sql/function/record_upkeep.sql.
--   $1 error code: text, null for none → failures in a row: integer, one row
-- Index: partition_upkeep_pkey. Locks: its row. Idempotent: yes but for the count.
select varve.record_upkeep($1::text) as failures;
