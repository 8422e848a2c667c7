-- Removes snapshots; see sql/function/drop_snapshots.sql.
--   $1 aggregate type: text, $2 aggregate ids: text of a JSON array, or null for all, $3 limit:
--     integer → removed bigint
-- Index: snapshots_pkey. Locks: rows of the snapshots. Idempotent: yes.
select varve.drop_snapshots(
    $1,
    case when $2::text is not null then array(select jsonb_array_elements_text($2::text::jsonb)) end,
    $3::integer
  ) as removed;
