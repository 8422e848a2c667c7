-- Finds a valid API key by its hash.
--   $1 hash: text (hex) → key_id, name, scopes (jsonb array); no row for an unknown or revoked key
-- Index: api_keys_key_hash_key. Locks: none. Idempotent: reads only.
select k.key_id, k.name, to_jsonb(k.scopes) as scopes
  from varve.api_keys k
  where k.key_hash = decode($1, 'hex') and k.revoked_at is null;
