-- Gives a dead letter up. See the function.
--   $1 id: bigint, $2 why: text → discarded: boolean, one row
-- Index: see the function. Locks: see the function. Idempotent: yes.
select varve.discard_dead_letter($1::bigint, $2) as discarded;
