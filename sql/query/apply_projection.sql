-- Writes documents, checkpoint, proof and dead letters; see sql/function/apply_projection.sql.
--   $1 subscription: text, $2 partition: integer, $3 epoch, $4 from and $5 to position: bigint,
--   $6 positions taken, $7 changes, $8 dead letters, $9 letters settled: text of JSON arrays
--   → applied: boolean, one row
-- Index: checkpoints_pkey, the view's primary key, dead_letters' unique key. Locks: the rows of
-- checkpoint, documents and dead letters. Idempotent: yes, by position.
select varve.apply_projection(
  $1, $2::integer, $3::bigint, $4::bigint, $5::bigint, $6::text::jsonb, $7::text::jsonb,
  $8::text::jsonb, $9::text::jsonb
) as applied;
