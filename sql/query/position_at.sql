-- Finds the last position before a time. See the function.
--   $1 time: timestamptz → position: bigint, one row
-- Index: see the function. Locks: see the function. Idempotent: reads only.
select varve.position_at($1::timestamptz) as position;
