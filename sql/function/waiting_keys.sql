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
    select l.key, min(l.position)
      from varve.dead_letters l
      where l.subscription = subscription_name and l.kind = of_kind and l.state = 'waiting'
        and l.key = any (of_keys)
      group by l.key;
end
$$;
