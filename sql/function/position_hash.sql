-- The share of one position in a proof: 32 bits, so that the sum over four billion fits a bigint.
--   log_position bigint → bigint, 0 .. 2^32 - 1
-- hashint8extended is what partitioning by hash rests on, and as stable between releases.
-- Index: none. Locks: none. Reads only its argument. Idempotent.
create or replace function varve.position_hash(log_position bigint) returns bigint
language sql immutable parallel safe
as $$
  select hashint8extended(log_position, 0) & 4294967295
$$;
