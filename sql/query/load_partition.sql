-- Puts archived lines back; see sql/function/load_partition.sql.
--   $1 owner of the lease: uuid, $2 partition: text, $3 lines: text of a JSON array
--     → reached: bigint, one row
-- Index: see the function. Locks: see the function. Idempotent: yes.
select varve.load_partition($1::uuid, $2::text, $3::text::jsonb) as reached;
