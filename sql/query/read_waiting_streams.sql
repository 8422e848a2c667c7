-- Reads which streams wait behind a dead letter of a subscription.
--   $1 subscription: text, $2 streams: text of a JSON array of text → stream: text, in any order
-- Index: dead_letters_queue. Locks: none. Idempotent: reads only.
select w.key as stream
  from varve.waiting_keys(
    $1, 'stream', array(select jsonb_array_elements_text($2::text::jsonb))
  ) w;
