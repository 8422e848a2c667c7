-- Moves a checkpoint with its proof and dead letters; see sql/function/advance_checkpoint.sql.
--   $1 subscription: text, $2 partition: integer, $3 epoch, $4 from and $5 to position: bigint,
--   $6 positions taken, $7 dead letters, $8 letters settled: text of JSON arrays
--   → applied: boolean, one row
-- Index: checkpoints_pkey, dead_letters' unique key. Locks: the rows of checkpoint and letters.
-- Idempotent: yes, by position.
select varve.advance_checkpoint(
  $1, $2::integer, $3::bigint, $4::bigint, $5::bigint, $6::text::jsonb, $7::text::jsonb,
  $8::text::jsonb
) as applied;
