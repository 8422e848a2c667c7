-- Writes documents and checkpoint; see sql/function/apply_projection.sql.
--   $1 view: text, $2 epoch, $3 from and $4 to position: bigint, $5 events: integer, $6 changes:
--     text of a JSON array → applied: boolean, one row
-- Index: checkpoints_pkey and the view's primary key. Locks: the checkpoint's row, the documents'
-- rows. Idempotent: yes, by position.
select varve.apply_projection(
  $1, $2::bigint, $3::bigint, $4::bigint, $5::integer, $6::text::jsonb
) as applied;
