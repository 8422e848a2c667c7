-- Finds the active data key of each subject; none behind a fence, even before it is shredded.
--   $1 tenant: text, $2 subject hashes: text of a JSON array of hex → key_id, subject_hash and
--     wrapped (hex), kek_id, status
-- Index: subject_keys_active, subject_fences_pkey. Locks: none. Idempotent: reads only.
select k.key_id, encode(k.subject_hash, 'hex') as subject_hash, encode(k.wrapped, 'hex') as wrapped,
    k.kek_id, k.status
  from jsonb_array_elements_text($2::text::jsonb) h (hash)
  join varve.subject_keys k
    on k.tenant = $1 and k.subject_hash = decode(h.hash, 'hex') and k.status = 'active'
  where not exists (
    select from varve.subject_fences f
      where f.tenant = k.tenant and f.subject_hash = k.subject_hash
        and f.incarnation = k.incarnation
  );
