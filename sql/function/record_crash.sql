-- Writes down what a worker was working on when it ended. A dead letter that was being tried again counts
-- one attempt more; any other event becomes a suspect, which its subscription comes to next.
--   marked jsonb: [{subscription, position, attemptsMax, delayMs}]: from so many attempts on a letter
--   waits for a person, and before is tried again after so long
--   → nothing
-- Suspects are worked on one at a time. Where one of them is among the marked, it is to blame, and what
-- was worked on beside it goes free; else all of them are suspected.
-- Suspects that their subscription has passed are forgotten.
-- Index: suspects_pkey, dead_letters_queue. Locks: the rows of suspects and letters. Repeating it is
-- safe, but for the count: each call counts one crash.
create or replace function varve.record_crash(marked jsonb) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  blames boolean;
begin
  delete from varve.suspects s
    using jsonb_to_recordset(marked) m (subscription text)
    where s.subscription = m.subscription and s.position <= (
      select min(c.position) from varve.checkpoints c where c.subscription = m.subscription
    );
  blames := exists (
    select from jsonb_to_recordset(marked) m (subscription text, position bigint)
      join varve.suspects s on s.subscription = m.subscription and s.position = m.position
  ) or exists (
    select from jsonb_to_recordset(marked) m (subscription text, position bigint)
      join varve.dead_letters d on d.subscription = m.subscription and d.position = m.position
      where d.state = 'waiting' and d.error_code = 'handler-crashed'
  );
  insert into varve.suspects as s (subscription, position, crashes)
    select distinct m.subscription, m.position, 1
      from jsonb_to_recordset(marked) m (subscription text, position bigint)
      where not exists (
        select from varve.dead_letters d
          where d.subscription = m.subscription and d.position = m.position
            and d.state = 'waiting'
      ) and (not blames or exists (
        select from varve.suspects k
          where k.subscription = m.subscription and k.position = m.position
      ))
    on conflict (subscription, position) do update set crashes = s.crashes + 1;
  update varve.dead_letters d
    set attempts = d.attempts + 1, error_code = 'handler-crashed', failed_at = clock_timestamp(),
      due_at = case when d.attempts + 1 < m."attemptsMax"
        then clock_timestamp() + make_interval(secs => m."delayMs" / 1000.0) end
    from jsonb_to_recordset(marked) m (
      subscription text, position bigint, "attemptsMax" integer, "delayMs" integer
    )
    where d.subscription = m.subscription and d.position = m.position and d.state = 'waiting'
      and (not blames or d.error_code = 'handler-crashed');
end
$$;
