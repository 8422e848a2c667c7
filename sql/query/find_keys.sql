-- Finds data keys by id, shredded ones too.
--   $1 key ids: text of a JSON array → key_id, subject_hash and wrapped (hex, wrapped null once
--     shredded), kek_id, status
-- Index: subject_keys_pkey. Locks: none. Idempotent: reads only.
select k.key_id, encode(k.subject_hash, 'hex') as subject_hash, encode(k.wrapped, 'hex') as wrapped,
    k.kek_id, k.status
  from jsonb_array_elements_text($1::text::jsonb) i (id)
  join varve.subject_keys k on k.key_id = i.id::uuid;
