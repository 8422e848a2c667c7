-- Whether an earlier dead letter of the same key waits, or of its stream where that is another key.
--   subscription_name text, letter_kind text, letter_key text, letter_stream text,
--   before_position bigint → boolean
-- The one that it found cannot be settled before the caller's transaction ends, so that whoever
-- settles it sees what the caller has put behind it.
-- Index: dead_letters_queue. Locks: the row of one letter, shared. Reads only.
create or replace function varve.waits_behind(
  subscription_name text, letter_kind text, letter_key text, letter_stream text,
  before_position bigint
) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- As in find_active_keys.
set enable_seqscan = off
as $$
begin
  perform from varve.dead_letters d
    where d.subscription = subscription_name and d.kind = letter_kind and d.key = letter_key
      and d.state = 'waiting' and d.position < before_position
    order by d.position limit 1 for share;
  if found or letter_kind = 'stream' then
    return found;
  end if;
  perform from varve.dead_letters d
    where d.subscription = subscription_name and d.kind = 'stream' and d.key = letter_stream
      and d.state = 'waiting' and d.position < before_position
    order by d.position limit 1 for share;
  return found;
end
$$;
