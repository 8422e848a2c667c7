-- Reads documents of a view by key.
--   $1 view: text, $2 keys: text of a JSON array → position: bigint, documents: jsonb array; one
--     row
-- Index: the view's primary key. Locks: none. Idempotent: reads only.
select r.position, r.documents
  from varve.read_documents($1, array(select jsonb_array_elements_text($2::text::jsonb))) r;
