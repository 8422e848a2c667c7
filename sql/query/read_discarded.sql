-- Reads which of a page's events were discarded before a partition has come to them.
--   $1 subscription: text, $2 partition: integer, $3 first position, $4 last position: bigint
--   → position bigint, one row each
-- Index: dead_letters_open. Locks: none. Idempotent: reads only.
select d.position
  from varve.dead_letters d
  where d.subscription = $1 and d.partition = $2::integer and d.state = 'discarded'
    and d.position between $3::bigint and $4::bigint;
