-- What is kept of an idempotency key.
--   of_principal text, of_key text → its row of varve.idempotency; none for a new key
-- Index: idempotency_pkey. Locks: none. Reads only.
create or replace function varve.find_idempotency(of_principal text, of_key text)
returns setof varve.idempotency
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
-- As in find_active_keys.
set enable_seqscan = off
as $$
begin
  return query
    select i.* from varve.idempotency i where i.principal = of_principal and i.key = of_key;
end
$$;
