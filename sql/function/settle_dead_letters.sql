-- Writes down what came of letters that were tried again. One that is resolved releases those behind
-- it; one that failed waits for its next time, or for a person, and those behind it with it. One that
-- turned out to stand behind another has not been tried.
--   subscription_name text, settled jsonb: [{id, resolved boolean, errorCode, dueInMs | null}]
--   → false where one of them is not waiting any more: then nothing was written
-- Index: dead_letters_pkey, dead_letters_queue. Locks: rows of letters, in order of id. Its callers
-- fence it by their epoch: each call counts an attempt. Idempotent where it says false.
create or replace function varve.settle_dead_letters(subscription_name text, settled jsonb)
returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- As in find_active_keys.
set enable_seqscan = off
as $$
declare
  one record;
begin
  -- One by one, by their ids: joined, every letter there is would be read.
  for one in
    select s.id from jsonb_to_recordset(settled) s (id bigint) order by s.id
  loop
    perform from varve.dead_letters d
      where d.id = one.id and d.subscription = subscription_name and d.state = 'waiting'
      for update;
    if not found then
      return false;
    end if;
  end loop;
  for one in
    select * from jsonb_to_recordset(settled)
      s (id bigint, resolved boolean, "errorCode" text, "dueInMs" double precision)
  loop
    update varve.dead_letters d
      set state = case when one.resolved then 'resolved' else d.state end,
        settled_at = case when one.resolved then clock_timestamp() end,
        attempts = d.attempts + case when one."errorCode" = 'behind-dead-letter' then 0 else 1 end,
        error_code = case when one.resolved then d.error_code else one."errorCode" end,
        failed_at = case when one.resolved then d.failed_at else clock_timestamp() end,
        due_at = clock_timestamp() + make_interval(secs => one."dueInMs" / 1000.0)
      where d.id = one.id;
  end loop;
  for one in
    select d.kind, d.key, max(d.position) as position,
        min(d.position) filter (where d.state <> 'resolved') as failed_position
      from jsonb_to_recordset(settled) s (id bigint)
      cross join lateral (
        select l.* from varve.dead_letters l where l.id = s.id limit 1
      ) d
      group by 1, 2
  loop
    if one.failed_position is null then
      perform varve.release_followers(subscription_name, one.kind, one.key, one.position);
    else
      update varve.dead_letters d set due_at = null
        where d.subscription = subscription_name and d.kind = one.kind and d.key = one.key
          and d.state = 'waiting' and d.position > one.failed_position
          and d.error_code = 'behind-dead-letter';
    end if;
  end loop;
  return true;
end
$$;
