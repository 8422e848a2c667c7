-- Ends an API key.
--   $1 key id: text → revoked: boolean, one row
-- Index: api_keys_pkey. Locks: its row. Idempotent: yes.
select varve.revoke_api_key($1) as revoked;
