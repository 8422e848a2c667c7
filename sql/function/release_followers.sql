-- Makes the letters that waited behind one that is settled due, in order, the next thousand: the
-- last of them releases the thousand after it.
--   subscription_name text, letter_kind text, letter_key text, after_position bigint → nothing
-- None of them where another one still stands in front of it.
-- Index: dead_letters_queue, dead_letters_behind_stream. Locks: rows of letters. Idempotent.
create or replace function varve.release_followers(
  subscription_name text, letter_kind text, letter_key text, after_position bigint
) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- As in find_active_keys.
set enable_seqscan = off
as $$
declare
  follower record;
begin
  if exists (
    select from varve.dead_letters b
      where b.subscription = subscription_name and b.kind = letter_kind and b.key = letter_key
        and b.state = 'waiting' and b.position < after_position
  ) then
    return;
  end if;
  -- One by one: their number is small, and a join would read every letter there is.
  for follower in
    select n.id from (
      select d.id, d.position from varve.dead_letters d
        where d.subscription = subscription_name and d.kind = letter_kind and d.key = letter_key
          and d.state = 'waiting' and d.position > after_position
          and d.due_at is null and d.error_code = 'behind-dead-letter'
      union all
      select d.id, d.position from varve.dead_letters d
        where letter_kind = 'stream' and d.subscription = subscription_name
          and d.stream = letter_key and d.kind = 'document'
          and d.state = 'waiting' and d.position > after_position
          and d.due_at is null and d.error_code = 'behind-dead-letter'
    ) n
    order by n.position
    limit 1000
  loop
    update varve.dead_letters f set due_at = clock_timestamp() where f.id = follower.id;
  end loop;
end
$$;
