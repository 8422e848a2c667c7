-- Stores new data keys unless others won.
--   $1 keys: text of a JSON array → key_id, subject_hash and wrapped (hex), kek_id, status of the
--     active key of each subject
-- Index: subject_keys_active. Locks: the rows it inserts. Idempotent: yes.
select k.key_id, encode(k.subject_hash, 'hex') as subject_hash, encode(k.wrapped, 'hex') as wrapped,
    k.kek_id, k.status
  from varve.claim_subject_keys($1::text::jsonb) k;
