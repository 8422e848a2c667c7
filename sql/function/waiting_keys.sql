-- Which of these keys wait behind a dead letter, and where the first of each is.
--   subscription_name text, of_kind text: stream | document, of_keys text[]
--   → key text, position bigint, in any order
-- Index: dead_letters_queue. Locks: none. Reads only.
create or replace function varve.waiting_keys(
  subscription_name text, of_kind text, of_keys text[]
) returns table (key text, "position" bigint)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
-- As in find_active_keys.
set enable_seqscan = off
as $$
begin
  return query
    select k.key, l.position
      -- One by one: grouped by key, Postgres 15 reads the index in its order, all of it.
      from (select distinct u.key from unnest(of_keys) u (key)) k
      cross join lateral (
        select d.position from varve.dead_letters d
          where d.subscription = subscription_name and d.kind = of_kind and d.key = k.key
            and d.state = 'waiting'
          order by d.position
          limit 1
      ) l;
end
$$;
