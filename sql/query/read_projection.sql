-- Reads what a page of events meets: the documents that it changes, and which of its documents and
-- streams already wait behind a dead letter.
--   $1 subscription: text, $2 keys of documents, $3 all keys that may wait, $4 streams: text of
--   JSON arrays of text
--   → documents: json array of {key, document, firstPosition, position}; keys: jsonb array of
--     {key, position} of the first letter of each that waits; streams: jsonb array of those that
--     wait; one row
-- Index: the view's primary key, dead_letters_queue. Locks: none. Idempotent: reads only.
select d.documents, coalesce((
    select jsonb_agg(w) from varve.waiting_keys(
      $1, 'document', array(select jsonb_array_elements_text($3::text::jsonb))
    ) w
  ), '[]') as keys, coalesce((
    select jsonb_agg(w.key) from varve.waiting_keys(
      $1, 'stream', array(select jsonb_array_elements_text($4::text::jsonb))
    ) w
  ), '[]') as streams
  from varve.read_kept_documents(
    $1, array(select jsonb_array_elements_text($2::text::jsonb))
  ) d (documents);
