-- Writes documents, checkpoint and dead letters; see sql/function/apply_projection.sql.
--   $1 view: text, $2 epoch, $3 from and $4 to position: bigint, $5 events: integer, $6 changes,
--     $7 dead letters: text of JSON arrays → applied: boolean, one row
-- Index: checkpoints_pkey, the view's primary key, dead_letters' unique key. Locks: the rows of
-- checkpoint, documents and dead letters. Idempotent: yes, by position.
select varve.apply_projection(
  $1, $2::bigint, $3::bigint, $4::bigint, $5::integer, $6::text::jsonb,
  $7::text::jsonb
) as applied;
