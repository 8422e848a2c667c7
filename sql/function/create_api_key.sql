-- Stores the hash of an API key; the same key again changes nothing.
--   new_key_id text, new_name text, new_hash bytea, new_scopes text[] → true if it was stored now
-- Index: api_keys_pkey. Locks: its row. Idempotent.
create or replace function varve.create_api_key(
  new_key_id text, new_name text, new_hash bytea, new_scopes text[]
) returns boolean
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  with stored as (
    insert into varve.api_keys (key_id, name, key_hash, scopes)
      values (new_key_id, new_name, new_hash, new_scopes)
      on conflict (key_id) do nothing
      returning 1
  )
  select exists (select from stored)
$$;
