-- Data keys by id, shredded ones too.
--   key_ids uuid[] → rows of varve.subject_keys, in any order
-- Index: subject_keys_pkey. Locks: none. Reads only.
create or replace function varve.find_keys(key_ids uuid[]) returns setof varve.subject_keys
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
-- As in find_active_keys.
set enable_seqscan = off
as $$
begin
  return query
    select k.*
      from unnest(key_ids) i (id)
      cross join lateral (
        select s.* from varve.subject_keys s where s.key_id = i.id limit 1
      ) k;
end
$$;
