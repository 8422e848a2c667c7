-- Compares a page of the documents of two subscriptions. See the function.
--   $1 and $2 subscriptions: text, $3 after key (exclusive): text, null for the first page,
--   $4 documents of a page: integer, $5 keys: text of a JSON array, null for the next ones,
--   $6 position that both have passed: bigint or null, $7 rows to show: integer
--   → as the function says; no row where one of them keeps no documents
-- Index: see the function. Locks: see the function. Idempotent: reads only.
select * from varve.compare_documents($1, $2, $3, $4::integer,
  case when $5::text is not null then array(select jsonb_array_elements_text($5::text::jsonb)) end,
  $6::bigint, $7::integer);
