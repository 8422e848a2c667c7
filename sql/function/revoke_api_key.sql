-- Ends an API key. old_key_id text → true if it was valid until now.
-- Index: api_keys_pkey. Locks: its row. Idempotent.
create or replace function varve.revoke_api_key(old_key_id text) returns boolean
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  with revoked as (
    update varve.api_keys k set revoked_at = clock_timestamp()
      where k.key_id = old_key_id and k.revoked_at is null
      returning 1
  )
  select exists (select from revoked)
$$;
