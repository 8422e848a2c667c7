-- Lists all API keys.
--   none → key_id, name, scopes (jsonb array), created_at, revoked_at; oldest first
-- Index: none: a handful of rows. Locks: none. Idempotent: reads only.
select k.key_id, k.name, to_jsonb(k.scopes) as scopes, k.created_at, k.revoked_at
  from varve.api_keys k
  order by k.created_at, k.key_id;
