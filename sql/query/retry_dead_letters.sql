-- Has dead letters tried again. See the function.
--   $1 id: bigint, $2 subscription, $3 error code, $4 key: text, each null for any → due: bigint, one row
-- Index: see the function. Locks: see the function. Idempotent: yes.
select varve.retry_dead_letters($1::bigint, $2::text, $3::text, $4::text) as due;
