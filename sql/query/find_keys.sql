-- Finds data keys by id, shredded ones too; see sql/function/find_keys.sql.
--   $1 key ids: text of a JSON array → key_id, subject_hash and wrapped (hex, wrapped null once
--     shredded), kek_id, status
-- Index: subject_keys_pkey. Locks: none. Idempotent: reads only.
select k.key_id, encode(k.subject_hash, 'hex') as subject_hash, encode(k.wrapped, 'hex') as wrapped,
    k.kek_id, k.status
  from varve.find_keys(array(select jsonb_array_elements_text($1::text::jsonb)::uuid)) k;
