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
as $$
declare
  found_letters integer;
  one record;
begin
  select count(*) into found_letters from (
    select from varve.dead_letters d
      join jsonb_to_recordset(settled) s (id bigint) on s.id = d.id
      where d.subscription = subscription_name and d.state = 'waiting'
      order by d.id
      for update of d
  ) locked;
  if found_letters <> jsonb_array_length(settled) then
    return false;
  end if;
  update varve.dead_letters d
    set state = case when s.resolved then 'resolved' else d.state end,
      settled_at = case when s.resolved then clock_timestamp() end,
      attempts = d.attempts + case when s."errorCode" = 'behind-dead-letter' then 0 else 1 end,
      error_code = case when s.resolved then d.error_code else s."errorCode" end,
      failed_at = case when s.resolved then d.failed_at else clock_timestamp() end,
      due_at = clock_timestamp() + make_interval(secs => s."dueInMs" / 1000.0)
    from jsonb_to_recordset(settled)
      s (id bigint, resolved boolean, "errorCode" text, "dueInMs" double precision)
    where d.id = s.id;
  for one in
    select d.kind, d.key, max(d.position) as position,
        min(d.position) filter (where d.state <> 'resolved') as failed_position
      from varve.dead_letters d
      join jsonb_to_recordset(settled) s (id bigint) on s.id = d.id
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
