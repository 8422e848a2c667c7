-- Finds the active data key of each subject; see sql/function/find_active_keys.sql.
--   $1 tenant: text, $2 subject hashes: text of a JSON array of hex → key_id, subject_hash and
--     wrapped (hex), kek_id, status
-- Index: subject_keys_active, subject_fences_pkey. Locks: none. Idempotent: reads only.
select k.key_id, encode(k.subject_hash, 'hex') as subject_hash, encode(k.wrapped, 'hex') as wrapped,
    k.kek_id, k.status
  from varve.find_active_keys(
    $1, array(select decode(jsonb_array_elements_text($2::text::jsonb), 'hex'))
  ) k;
