-- Makes what a view's definition needs; see sql/function/ensure_view.sql.
--   $1 view: text, $2 version: integer, $3 filter fields: text of a JSON array, $4 fingerprint:
--   text, $5 event types: text of a JSON array, $6 partitions: integer, $7 start position: bigint,
--   or null for the end, $8 aggregate types: text of a JSON array, or null for all
--   → made: boolean, one row
-- Index: views_role. Locks: see the function. Idempotent: yes.
select varve.ensure_view(
  $1, $2::integer, array(select jsonb_array_elements_text($3::text::jsonb)), $4::text,
  array(select jsonb_array_elements_text($5::text::jsonb)), $6::integer, $7::bigint,
  case when $8::text is not null
    then array(select jsonb_array_elements_text($8::text::jsonb)) end
) as made;
