-- The active data key of each subject; none behind a fence, even before it is shredded.
--   of_tenant text, subject_hashes bytea[] → rows of varve.subject_keys, in any order
-- Index: subject_keys_active, subject_fences_pkey. Locks: none. Reads only.
create or replace function varve.find_active_keys(of_tenant text, subject_hashes bytea[])
returns setof varve.subject_keys
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
-- A plan that was cached while the table was small would scan it whole when it has grown.
set enable_seqscan = off
as $$
begin
  return query
    -- Each is looked up by itself: joined, they are found by reading all keys of the tenant.
    select k.*
      from unnest(subject_hashes) h (hash)
      cross join lateral (
        select s.* from varve.subject_keys s
          where s.tenant = of_tenant and s.subject_hash = h.hash and s.status = 'active'
          limit 1
      ) k
      where not exists (
        select from varve.subject_fences f
          where f.tenant = k.tenant and f.subject_hash = k.subject_hash
            and f.incarnation = k.incarnation
      );
end
$$;
