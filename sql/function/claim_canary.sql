-- Stores the canary of a master key, once; the first one stays.
--   new_kek_id text, new_wrapped bytea → nothing.
-- Index: key_canaries_pkey. Locks: its row. Idempotent.
create or replace function varve.claim_canary(new_kek_id text, new_wrapped bytea) returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  insert into varve.key_canaries (kek_id, wrapped) values (new_kek_id, new_wrapped)
    on conflict (kek_id) do nothing
$$;
