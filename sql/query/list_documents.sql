-- Reads a page of a view; see sql/function/list_documents.sql.
--   $1 view: text, $2 filters: text of a JSON array, $3 newest: boolean, $4 after position:
--     bigint, $5 after key: text, $6 limit: integer → position: bigint, documents: jsonb array; one
--     row
-- Index: the view's first_position, filter or primary key index. Locks: none. Idempotent: reads
-- only.
select l.position, l.documents
  from varve.list_documents($1, $2::text::jsonb, $3::boolean, $4::bigint, $5, $6::integer) l;
