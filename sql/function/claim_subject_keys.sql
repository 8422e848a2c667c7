-- Stores new data keys, unless their subject has an active one by now: however many first writers
-- race, one key wins and every caller gets that one.
--   new_keys jsonb: [{keyId, tenant, subjectHash (hex), wrapped (hex), kekId}]
--   → the active key of each subject: key_id, subject_hash, wrapped, kek_id, status;
--     no row for a subject behind a fence
-- Index: subject_keys_active. Locks: the rows that it inserts, in sorted order. Idempotent.
create or replace function varve.claim_subject_keys(new_keys jsonb)
returns table (key_id uuid, subject_hash bytea, wrapped bytea, kek_id text, status text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  insert into varve.subject_keys (key_id, tenant, subject_hash, wrapped, kek_id)
    select n."keyId", n.tenant, decode(n."subjectHash", 'hex'), decode(n.wrapped, 'hex'), n."kekId"
      from jsonb_to_recordset(new_keys)
        n ("keyId" uuid, tenant text, "subjectHash" text, wrapped text, "kekId" text)
      where not exists (
        select from varve.subject_fences f
          where f.tenant = n.tenant and f.subject_hash = decode(n."subjectHash", 'hex')
      )
      order by n.tenant, n."subjectHash"
    on conflict (tenant, subject_hash) where status = 'active' do nothing;
  return query
    select k.key_id, k.subject_hash, k.wrapped, k.kek_id, k.status
      from (
        select n.tenant, array_agg(decode(n."subjectHash", 'hex')) as hashes
          from jsonb_to_recordset(new_keys) n (tenant text, "subjectHash" text)
          group by n.tenant
      ) n
      cross join lateral varve.find_active_keys(n.tenant, n.hashes) k;
end
$$;
