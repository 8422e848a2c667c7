-- Gives a dead letter up: its event never takes effect in that subscription, and those that waited
-- behind it go on without it.
--   letter_id bigint, why text, not empty → true if it was waiting
-- Index: dead_letters_pkey, dead_letters_queue. Locks: rows of letters. Idempotent.
create or replace function varve.discard_dead_letter(letter_id bigint, why text) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  letter record;
begin
  update varve.dead_letters d
    set state = 'discarded', reason = why, due_at = null, settled_at = clock_timestamp()
    where d.id = letter_id and d.state = 'waiting'
    returning d.subscription, d.kind, d.key, d.position into letter;
  if not found then
    return false;
  end if;
  perform varve.release_followers(letter.subscription, letter.kind, letter.key, letter.position);
  return true;
end
$$;
