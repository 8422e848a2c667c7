-- Reads a partition as lines of JSON; see sql/function/read_partition.sql.
--   $1 partition: text, $2 after position (exclusive): bigint, $3 events at most: integer, $4 bytes
--     after which it ends: integer → position: bigint, line: text, ascending
-- Index: events_YYYY_MM_position. Locks: none. Idempotent: reads only.
select r.position, r.line from varve.read_partition($1::text, $2::bigint, $3::integer, $4::integer) r;
