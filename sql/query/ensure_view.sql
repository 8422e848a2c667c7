-- Makes a view's table, indexes and checkpoint.
--   $1 view: text, $2 version: integer, $3 filter fields: text of a JSON array → made: boolean,
--     one row
-- Index: views_pkey. Locks: see the function. Idempotent: yes.
select varve.ensure_view(
  $1, $2::integer, array(select jsonb_array_elements_text($3::text::jsonb))
) as made;
