-- Reads what a page of events meets: the documents that it changes, and which of its streams already
-- wait behind a dead letter of the view.
--   $1 view: text, $2 keys, $3 streams: text of JSON arrays of text
--   → documents: jsonb array as varve.read_documents has it; waiting: jsonb array of text; one row
-- Index: the view's primary key, checkpoints_pkey, dead_letters_waiting. Locks: none. Idempotent:
-- reads only.
select d.documents, coalesce((
    select jsonb_agg(distinct l.key) from varve.dead_letters l
      where l.subscription = $1 and l.partition = 0 and l.state = 'waiting'
        and l.key = any (array(select jsonb_array_elements_text($3::text::jsonb)))
  ), '[]') as waiting
  from varve.read_documents($1, array(select jsonb_array_elements_text($2::text::jsonb))) d;
