-- The partition of a subscription that takes a stream.
--   stream_name text: `Order-536365`, partition_count integer → 0 .. partition_count - 1
-- The first four bytes of SHA-256, as a number without sign, modulo the count: what the program
-- computes as well (src/subscription/partition.ts).
-- Index: none. Locks: none. Reads only its arguments. Idempotent.
create or replace function varve.stream_partition(stream_name text, partition_count integer)
returns integer
language sql immutable parallel safe
as $$
  select case when partition_count = 1 then 0 else (
    ('x' || encode(substr(sha256(convert_to(stream_name, 'UTF8')), 1, 4), 'hex'))::bit(32)::bigint
      % partition_count
  )::integer end
$$;
