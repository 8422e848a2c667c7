-- Forgets idempotency keys past an age.
--   $1 age in milliseconds: bigint, $2 limit: integer, $3 the application's clock: timestamptz
--   → expired: bigint, one row
-- Index: idempotency_created_at. Locks: the rows that go. Idempotent: yes.
select varve.expire_idempotency($1::bigint, $2::integer, $3::timestamptz) as expired;
